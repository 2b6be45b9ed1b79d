"""Load databases by name, or a Dataset of the user's own as ``module:function``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import environ
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset import Dataset, fingerprint, load, sites_of, with_classes
from experiments.inputs import plugins
from experiments.inputs.settings import RecognitionSettings
from experiments.run.progress import Stages
from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.types import Examples

OPTION = "--database"
PRETRAINING = "pretraining"
"""The configuration of the synthetic database that AU detectors are pretrained on."""
EXAMPLES = {"flow": (28, 28, 3), "patches": (65, 5, 5, 3), "au": (12,), "au_mask": (12,)}
"""Shapes of the arrays of one example."""
AU_NAMES = tuple(f"AU{au}" for au in ACTION_UNITS)


def data_folder(chosen: Path | None) -> Path:
    """Folder of databases and detectors: the chosen one, else ``TFDS_DATA_DIR``, else the default of tfds."""
    return Path(chosen or environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def load_dataset(
    settings: RecognitionSettings, data_dir: Path | None, manual_dir: Path | None, stages: Stages
) -> Dataset:
    """The database of the settings, with its classes; see ``data.dataset.load`` and ``own_database``.

    Raises:
        ValueError, OSError: it cannot be loaded.
    """
    if settings.is_own:
        if manual_dir is not None:
            raise ValueError(f"--manual-dir={manual_dir}: {settings.database} knows where its data are; leave it out")
        return own_database(settings.database, settings.classes)
    return load(
        settings.database,
        settings.configuration,
        data_dir,
        progress=stages.track,
        manual_dir=manual_dir,
        classes=settings.num_classes,
    )


def load_pretraining_dataset(data_dir: Path | None, stages: Stages) -> Dataset:
    """The AU clips of the synthetic subjects for pretraining, who are in no experiment."""
    return load("synthetic", PRETRAINING, data_dir, progress=stages.track)


def load_datasets(
    names: Sequence[str], data_dir: Path | None, manual_dirs: Mapping[str, Path], stages: Stages
) -> list[Dataset]:
    """Load several databases to pretrain a detector on; ``synthetic`` is its ``pretraining`` part.

    Args:
        names: of the databases.
        data_dir: folder of the databases.
        manual_dirs: by name, the user's copy; see ``folders_by_name``.
        stages: progress.

    Raises:
        ValueError, OSError: one of them cannot be loaded.
    """
    parts = {"synthetic": PRETRAINING}
    return [
        load(name, parts.get(name), data_dir, progress=stages.track, manual_dir=manual_dirs.get(name)) for name in names
    ]


def folders_by_name(values: Sequence[str], databases: Sequence[str]) -> dict[str, Path]:
    """The user's copies, from the values of ``--manual-dir`` of a command with several databases.

    Raises:
      ValueError: a value is not name=FOLDER, or names a database that is not used.

    >>> folders_by_name(["disfa=copies/disfa"], ["disfa"])["disfa"].name
    'disfa'
    """
    folders = {}
    for text in values:
        name, equals, folder = text.partition("=")
        if not equals or not folder:
            raise ValueError(f"--manual-dir {text}: write name=FOLDER, for example disfa=/data/DISFA")
        if name not in databases:
            raise ValueError(f"--manual-dir {text}: {name} is not among --databases {' '.join(databases)}")
        folders[name] = Path(folder)
    return folders


def own_database(text: str, classes: int | None) -> Dataset:
    """Load ``module:name`` of ``--database``, where name is a function ``() -> Dataset`` or a Dataset.

    Args:
        text: the value.
        classes: 3, 4 or 7 to map its emotions to these classes; None to keep its own.

    Returns:
        The dataset with its fingerprint.

    Raises:
        ValueError: the module or function is missing or fails, or it returns no valid dataset; in one sentence.
    """
    where = f"{OPTION}={text}"
    value = plugins.function_or_value(OPTION, text, Dataset, "neither a function that returns a Dataset nor a Dataset")
    dataset = value if isinstance(value, Dataset) else plugins.call(OPTION, text, value)
    if not isinstance(dataset, Dataset):
        raise ValueError(f"{where}: the function returned {type(dataset).__name__}, not a Dataset")
    checked = check_dataset(dataset, where)
    return checked if classes is None else with_classes(checked, classes)


def check_dataset(dataset: Dataset, where: str) -> Dataset:
    """Check a dataset, convert it to the types of the experiments, and compute its fingerprint.

    Raises:
        ValueError: what is wrong; the sentence starts with ``where``.
    """
    arrays = {name: np.asarray(array) for name, array in dataset.examples._asdict().items()}
    texts = (dataset.subject, dataset.clip, sites_of(dataset))
    subject, clip, site = (np.asarray(names).astype(str) for names in texts)
    if not len(clip):
        raise ValueError(f"{where}: it has no clip")
    for name, array in {**arrays, "subject": subject, "clip": clip, "site": site}.items():
        if array.shape != (wanted := (len(clip), *EXAMPLES.get(name, ()))):
            raise ValueError(f"{where}: {name} has shape {array.shape}; give {wanted}, a row for each clip")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{where}: {name} holds a missing or infinite number; leave such clips out")
    _check_labels(dataset, arrays, where)
    _, counts = np.unique(clip, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"{where}: {(counts > 1).sum()} names of clips occur twice or more; give each its own")
    dtypes = dict.fromkeys(EXAMPLES, np.float32) | {"emotion": np.int64}
    typed: dict[str, Any] = {name: array.astype(dtypes[name]) for name, array in arrays.items()}
    metadata = {"dropped": []} | dict(dataset.metadata)
    complete = replace(dataset, examples=Examples(**typed), subject=subject, clip=clip, site=site, metadata=metadata)
    return replace(complete, fingerprint=fingerprint(complete))


def _check_labels(dataset: Dataset, arrays: Mapping[str, Any], where: str) -> None:
    if tuple(dataset.au_names) != AU_NAMES:
        raise ValueError(f"{where}: its AUs are {', '.join(dataset.au_names)}; the network has {', '.join(AU_NAMES)}")
    for name in ("au", "au_mask"):
        if not np.isin(arrays[name], (0, 1)).all():
            raise ValueError(f"{where}: {name} holds another number than 0 and 1; a label that is missing has mask 0")
    emotion, last = arrays["emotion"], len(dataset.class_names) - 1
    if emotion.dtype.kind not in "iu" or not np.isin(emotion, np.arange(-1, last + 1)).all():
        raise ValueError(f"{where}: emotion has others than 0 to {last}, places in class_names, and -1 for none")
