"""The databases that a command asks for."""

from pathlib import Path

from data.dataset import Dataset, load
from experiments.inputs.database_choice import DatabaseChoice
from experiments.inputs.own_database import own_database
from experiments.run.progress import Stages


def loaded(choice: DatabaseChoice, data_dir: Path | None, manual_dir: Path | None, stages: Stages) -> Dataset:
    """The database of the settings, with their classes; see ``data.dataset.load`` and ``own_database``.

    Raises:
        ValueError, OSError: it cannot be had.
    """
    if choice.is_own:
        if manual_dir is not None:
            raise ValueError(f"--manual-dir={manual_dir}: {choice.database} knows where its data are; leave it out")
        return own_database(choice.database, choice.classes)
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
