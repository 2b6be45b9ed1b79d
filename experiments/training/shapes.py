"""Shapes of the arguments of a group's program, so that it can compile before the detectors are trained."""

from functools import cache
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.detectors import detector_like
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import AUModule
from experiments.training.plan import Arrays, Group, arrays
from experiments.training.program import context_of
from experiments.training.store import Rows, Store, features_like, stack_priors
from experiments.training.task import SLOW_MODULES, Context, Task, as_it_is, detection_task, frozen_task, whole_task
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
    """The task of a group; groups that train the same network on data of the same shapes share one."""
    one: Arrays = arrays(group, [0], 1, np.arange(len(store.examples.emotion)), 0)
    first = jax.tree.map(lambda leaf: leaf[0], one)
    like = jax.eval_shape(lambda store, training: context_of(store, training, jnp.int32(0)), store, first)
    return _task(group.au, group.network, bool(group.recipe.private), group.recipe.slow_modules, num_classes, like)


@cache
def _task(
    au: AUModule | Literal["detection"],
    network: NetworkSettings,
    private: bool,
    slow_modules: bool,
    num_classes: int,
    like: Context,
) -> Task:
    if au == "detection":
        return detection_task(network, like)
    adapt = frozen_statistics if private else as_it_is
    if au == "frozen":
        return frozen_task(num_classes, like, adapt)
    return whole_task(network, num_classes, like, SLOW_MODULES if slow_modules else {}, adapt)
