"""Load databases by name, or a Dataset of the user's own as ``module:function``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import environ
from pathlib import Path
from typing import Any

import numpy as np

from data.databases import DATABASES
from data.dataset import Dataset, fingerprint, load, sites_of
from experiments.inputs import plugins
from experiments.inputs.configurations import configurations_by_name
from experiments.inputs.joining import with_common_classes
from experiments.inputs.labs import configurations
from experiments.inputs.settings import COMPOSITE, CrossValidationSettings, RecognitionSettings
from experiments.inputs.sweep import data_points
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


def refuse_missing(run: Path, name: str, data_dir: Path | None) -> None:
    """Refuse a database of a finished run that is not in the data folder, before anything is rendered or built.

    Raises:
        ValueError: it is not there.
    """
    if not ((place := data_folder(data_dir)) / name).is_dir():
        raise ValueError(f"{run} was run on {name}, which is not in {place}: give its place with --data-dir")


def load_databases(
    settings: RecognitionSettings,
    data_dir: Path | None,
    copies: Sequence[str],
    stages: Stages,
    *,
    only_read: bool = False,
) -> list[list[Dataset]]:
    """The databases of each of ``data_points``, with the same classes; see ``data.dataset.load`` and ``own_database``.

    Each is read once; points of the same classes share their datasets.

    Args:
        settings: of the run.
        data_dir: folder of the databases.
        copies: values of ``--manual-dir``.
        stages: progress.
        only_read: whether to refuse what is missing or outdated rather than to build it.

    Raises:
        ValueError, OSError: one cannot be loaded, or their classes cannot be made the same.
    """
    names, datasets = _read_databases(settings, data_dir, copies, stages, only_read=only_read)
    points = [point for _, point in data_points(settings)]
    numbers = dict.fromkeys(point.classes for point in points)
    mapped = {number: _with_classes(settings, names, datasets, number) for number in numbers}
    return [mapped[point.classes] for point in points]


def _with_classes(
    settings: RecognitionSettings, names: Sequence[str], datasets: Sequence[Dataset], number: int | None
) -> list[Dataset]:
    if isinstance(settings, CrossValidationSettings) and settings.protocol == COMPOSITE:
        from data.protocols import with_composite2019

        return [with_composite2019(one) for one in datasets]
    return with_common_classes(names, datasets, number)


def _read_databases(
    settings: RecognitionSettings, data_dir: Path | None, copies: Sequence[str], stages: Stages, *, only_read: bool
) -> tuple[list[str], list[Dataset]]:
    """Names, as on the command line, and databases with their own emotions."""
    folders = folders_by_name(copies, settings.database, OPTION)
    chosen = configurations_by_name(settings.config, settings.database)
    loaded = partial(load, data_dir=data_dir, progress=stages.track, only_read=only_read)
    datasets: list[Dataset] = []
    names: list[str] = []
    for name in settings.database:
        if not plugins.is_plugin(name):
            for part in configurations(settings) if name == "synthetic" else [chosen.get(name)]:
                datasets.append(loaded(name, part, manual_dir=folders.get(name)))
        elif name in folders:
            raise ValueError(f"--manual-dir={folders[name]}: {name} knows where its data are; leave it out")
        else:
            datasets.append(own_database(name))
        names += [name] * (len(datasets) - len(names))
    return names, datasets


def load_pretraining_dataset(data_dir: Path | None, stages: Stages, *, only_read: bool = False) -> Dataset:
    """The AU clips of the synthetic subjects for pretraining, who are in no experiment; see ``load_databases``."""
    return load("synthetic", PRETRAINING, data_dir, progress=stages.track, only_read=only_read)


def load_datasets(
    names: Sequence[str],
    data_dir: Path | None,
    manual_dirs: Mapping[str, Path],
    stages: Stages,
    *,
    only_read: bool = False,
) -> list[Dataset]:
    """Load several databases to pretrain a detector on; ``synthetic`` is its ``pretraining`` part.

    Args:
        names: of the databases.
        data_dir: folder of the databases.
        manual_dirs: by name, the user's copy; see ``folders_by_name``.
        stages: progress.
        only_read: see ``load_databases``.

    Raises:
        ValueError, OSError: one of them cannot be loaded.
    """
    parts = {"synthetic": PRETRAINING}
    loaded = partial(load, data_dir=data_dir, progress=stages.track, only_read=only_read)
    return [loaded(name, parts.get(name), manual_dir=manual_dirs.get(name)) for name in names]


def folders_by_name(values: Sequence[str], databases: Sequence[str], option: str = "--databases") -> dict[str, Path]:
    """The user's copies, from the values of ``--manual-dir``: FOLDER of a single database, else name=FOLDER.

    Args:
      values: of ``--manual-dir``.
      databases: that are used.
      option: that names them, for the message.

    Raises:
      ValueError: a value is not name=FOLDER, or names a database that is not used or named before.

    >>> [folders_by_name(["copies/disfa"], names)["disfa"].name for names in (["disfa"],)]
    ['disfa']
    >>> sorted(folders_by_name(["disfa=a", "ckplus=b"], ["disfa", "ckplus"]))
    ['ckplus', 'disfa']
    """
    folders: dict[str, Path] = {}
    for text in values:
        name, equals, folder = text.partition("=")
        if len(databases) == len(values) == 1 and name not in DATABASES:
            return {databases[0]: Path(text)}
        if not equals or not folder:
            raise ValueError(f"--manual-dir {text}: write name=FOLDER, for example {databases[0]}=/data/copy")
        if name not in databases:
            raise ValueError(f"--manual-dir {text}: {name} is not among {option} {' '.join(databases)}")
        if name in folders:
            raise ValueError(f"--manual-dir {text}: {name} has a folder already; give each database one")
        folders[name] = Path(folder)
    return folders


def own_database(text: str) -> Dataset:
    """Load ``module:name`` of ``--database``, where name is a function ``() -> Dataset`` or a Dataset.

    Returns:
        The dataset with its own classes and its fingerprint.

    Raises:
        ValueError: the module or function is missing or fails, or it returns no valid dataset; in one sentence.
    """
    where = f"{OPTION}={text}"
    value = plugins.function_or_value(OPTION, text, Dataset, "neither a function that returns a Dataset nor a Dataset")
    dataset = value if isinstance(value, Dataset) else plugins.call(OPTION, text, value)
    if not isinstance(dataset, Dataset):
        raise ValueError(f"{where}: the function returned {type(dataset).__name__}, not a Dataset")
    return check_dataset(dataset, where)


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
