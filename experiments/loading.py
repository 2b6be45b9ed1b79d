"""The databases that a command asks for."""

from pathlib import Path

from data.dataset import Dataset, load
from experiments.configs import DatabaseChoice
from experiments.progress import Stages


def loaded(choice: DatabaseChoice, data_dir: Path | None, manual_dir: Path | None, stages: Stages) -> Dataset:
    """The database of the settings, with their classes; see ``data.dataset.load``."""
    return load(
        choice.database,
        choice.part,
        data_dir,
        progress=stages.track,
        manual_dir=manual_dir,
        classes=choice.num_classes,
    )


def loaded_for_pretraining(data_dir: Path | None, stages: Stages) -> Dataset:
    """The AU clips of synthetic subjects who are in nobody's training or test."""
    return load("synthetic", "pretraining", data_dir, progress=stages.track)
