"""``python tests/toy_command.py COMMAND OPTIONS``: a command on noise with a network that compiles in a second.

Everything but the network, the detectors and the page is that of the command.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from fed_on_random_data import random_dataset

sys.path.append(str(Path(__file__).parent / "laws"))
from toy_task import toy_task

from experiments import recognition
from experiments.inputs import databases
from experiments.results.conclude import conclude
from experiments.run.lifecycle import exit_with
from experiments.training import budget, experiment, prepare, programs
from experiments.training.detectors import DetectorSource

NOTHING = {"weights": np.zeros(1)}


def store_of_zeros(prepared: Any, group: Any, *_: Any) -> tuple[Any, np.ndarray]:
    """A group's store; its frozen detectors have seen nothing."""
    rows = prepared.data_of(group).rows
    like = experiment.store_like(group, rows)
    store = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf, like)
    return store, np.full((len(group.views), *np.shape(rows.examples.au)), 0.5)


if __name__ == "__main__":
    jax.config.update("jax_disable_most_optimizations", True)
    databases.load = random_dataset
    experiment.task_of = programs.task_of = budget.task_of = lambda *_: toy_task()
    experiment.store_with_detectors = store_of_zeros
    prepare.detector_source = lambda *_, **__: DetectorSource((), lambda networks, _: dict.fromkeys(networks, NOTHING))
    experiment.detector_like = lambda network: NOTHING
    recognition.conclude = lambda *tables: conclude(*tables, num_draws=10)
    recognition.report.write = recognition.report.show = lambda *_: None
    exit_with(import_module(f"experiments.{sys.argv.pop(1)}").main)
