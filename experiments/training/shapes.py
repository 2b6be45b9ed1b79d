"""Shapes of the arguments of a group's program, so that it can compile before the detectors are trained."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.detectors import detector_like
from experiments.training.plan import Arrays, Group, arrays
from experiments.training.program import context_of
from experiments.training.store import Rows, Store, features_like, stack_priors
from experiments.training.task import SLOW_MODULES, Task, as_it_is, detection_task, frozen_task, whole_task
from fedpsyau_jax.federated.private import frozen_statistics
from fedpsyau_jax.types import Int, PyTree


def store_like(group: Group, rows: Rows) -> Store:
    """A group's store, with shapes only in place of the detectors' features or weights."""
    priors = stack_priors(group.distinct_priors)
    if group.au == "frozen":
        return Store(rows.examples, features_like(rows.examples, len(group.views)), None, priors)
    if group.au == "finetuned":
        one = detector_like(group.network)
        several = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((len(group.views), *leaf.shape), leaf.dtype), one)
        return Store(rows.examples, None, several, priors)
    return Store(rows.examples, None, None, priors)


def job_arrays_like(group: Group, size: int, shown: Int[np.ndarray, "rows"], seed: int) -> PyTree:
    """Shapes and dtypes of the arrays of a chunk of this size."""
    return jax.eval_shape(lambda given: given, arrays(group, [0], size, shown, seed))


def task_of(group: Group, num_classes: int, store: Store) -> Task:
    """The task of a group."""
    one: Arrays = arrays(group, [0], 1, np.arange(len(store.examples.emotion)), 0)
    first = jax.tree.map(lambda leaf: leaf[0], one)
    like = jax.eval_shape(lambda store, training: context_of(store, training, jnp.int32(0)), store, first)
    if group.au == "detection":
        return detection_task(group.network, like)
    adapt = frozen_statistics if group.recipe.private else as_it_is
    if group.au == "frozen":
        return frozen_task(num_classes, like, adapt)
    return whole_task(group.network, num_classes, like, SLOW_MODULES if group.recipe.slow_modules else {}, adapt)
