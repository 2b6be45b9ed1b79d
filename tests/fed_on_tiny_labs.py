"""``python tests/fed_on_tiny_labs.py OPTIONS``: fed on rendered labs of few people, and a detector of noise."""

from dataclasses import replace
from functools import partial
from typing import Any

from fed_on_random_data import random_dataset

from data.dataset import Dataset, from_builder
from data.synthetic.synthetic_dataset_builder import Builder, labs_config
from experiments import fed
from experiments.inputs import databases
from experiments.run.lifecycle import exit_with
from fedpsyau_jax.synthesis.labs import labs_named
from fedpsyau_jax.synthesis.population import FEDERATED

TINY = replace(FEDERATED, num_subjects=9, min_clips=2, extra_clips=0.0)


def load(name: str, part: str, data_dir: Any, progress: Any, **_: Any) -> Dataset:
    """Labs of the tiny population, or noise."""
    if not part.startswith("labs-"):
        return random_dataset(name, part)
    config = labs_config(replace(labs_named(part), population=TINY))
    return from_builder(partial(Builder, config=config, data_dir=data_dir, progress=progress, num_workers=1))


if __name__ == "__main__":
    databases.load = load
    exit_with(fed.main)
