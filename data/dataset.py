"""A database as arrays: built on first use, read afterwards."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.building import builder_of, built, reading
from data.labels import LeftOut, class_name, class_names
from data.progress import Progress, progress_bar

if TYPE_CHECKING:
    from data.builder import MicroExpressionBuilder
    from fedpsyau_jax.types import Examples


@dataclass(frozen=True)
class Dataset:
    """All samples of one database configuration, sorted by clip key.

    Attributes:
        name: database/configuration/version.
        examples: numpy arrays; ``emotion`` is -1 where there is none.
        subject: identity of each example.
        clip: key of each example.
        class_names: emotions, in the order of their indices.
        au_names: action units, in the order of their columns.
        synthetic: whether the faces are rendered.
        fingerprint: SHA-256 over arrays, subjects, clips and names.
        metadata: table hash, pipeline settings, library versions, drop list.
        row: line of the annotation table of each example; empty where there is no table.
        site: where each example was recorded: a subset or lab of the database, or the database's name; of databases
            that were joined, the database, or database/subset. Empty means the database's name; see ``sites_of``.
    """

    name: str
    examples: "Examples"
    subject: np.ndarray
    clip: np.ndarray
    class_names: tuple[str, ...]
    au_names: tuple[str, ...]
    synthetic: bool
    fingerprint: str
    metadata: dict[str, Any]
    row: np.ndarray = field(default_factory=partial(np.zeros, 0, int))
    site: np.ndarray = field(default_factory=partial(np.zeros, 0, str))

    @property
    def database(self) -> str:
        """Name of the database, without configuration and version."""
        return self.name.partition("/")[0]


def load(
    name: str = "synthetic",
    config: str | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = progress_bar,
    num_workers: int | None = None,
    *,
    manual_dir: str | Path | None = None,
    classes: int | None = None,
    only_read: bool = False,
    **options: Any,
) -> Dataset:
    """Load the samples of a database; build them first if they are not on disk, or come from another recipe or copy.

    Args:
        name: database.
        config: configuration of it; by default its first.
        data_dir: tfds's data folder; by default ``TFDS_DATA_DIR``, else tfds's own.
        progress: how a build is shown.
        num_workers: processes of a build; by default all cores.
        manual_dir: the user's copy of a real database; needed to build, not to read. If it is named, it is looked
            through: a dataset of another copy, or of a table that was mended since, is made again.
        classes: 3, 4 or 7 to map emotions to these classes and drop all others; None for the database's own.
        only_read: whether to refuse rather than to build what is missing or comes from another recipe.
        options: more of the builder's, e.g. ``choices`` and ``landmarker`` of ``CopyBuilder``.

    Returns:
        The same content in the same order, however it was built.

    Raises:
        ValueError: no such database, configuration or copy, broken files (the message names file and row), or a
            dataset on disk of another copy that a new build would not make in the same way; or one that is only to be
            read is missing or outdated.
        OSError: the data folder cannot be written or read, or OpenCV lacks TV-L1.
    """
    make_builder = builder_of(name, config, data_dir, progress, num_workers, manual_dir, **options)
    dataset = from_builder(make_builder, only_read=only_read)
    return dataset if classes is None else with_classes(dataset, classes)


def from_builder(
    make_builder: "Callable[[], MicroExpressionBuilder]",
    demands: Mapping[str, Any] | None = None,
    *,
    only_read: bool = False,
) -> Dataset:
    """The dataset of a tfds builder, built if need be; see ``built``."""
    return _read(built(make_builder, demands, only_read=only_read))


def _read(builder: "MicroExpressionBuilder") -> Dataset:
    from fedpsyau_jax.priors.action_units import ACTION_UNITS
    from fedpsyau_jax.types import Examples

    with reading(builder) as records:
        by_clip = sorted(range(len(records)), key=[record["clip"] for record in records].__getitem__)
        columns = _columns(records, by_clip, (*Examples._fields, "subject", "clip", "site", "row"))
        row = columns.pop("row").astype(int)
        metadata = dict(builder.info.metadata)
    texts = ("subject", "clip", "site")
    subject, clip, site = (np.array([text.decode() for text in columns.pop(name)]) for name in texts)
    dataset = Dataset(
        name=builder.info.full_name,
        row=row,
        site=site,
        examples=Examples(**columns),
        subject=subject,
        clip=clip,
        class_names=tuple(builder.info.features["emotion"].names),
        au_names=tuple(f"AU{number}" for number in ACTION_UNITS),
        synthetic=builder.synthetic,
        fingerprint="",
        metadata=metadata,
    )
    return replace(dataset, fingerprint=fingerprint(dataset))


def _columns(records: Sequence[Mapping[str, Any]], order: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Fields of all records as arrays, filled in one record at a time: memory holds them once."""
    columns: dict[str, Any] = {}
    for place, which in enumerate(order):
        record = records[which]
        for name in names:
            value = np.asarray(record[name], object if isinstance(record[name], bytes) else None)
            if name not in columns:
                columns[name] = np.empty((len(records), *value.shape), value.dtype)
            columns[name][place] = value[()]
    return columns


def sites_of(dataset: Dataset) -> np.ndarray:
    """[examples] where each example was recorded; the database's name where the dataset does not say."""
    given = np.asarray(dataset.site)
    return given if given.size else np.full(len(dataset.clip), dataset.database)


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over the arrays and names of a dataset; metadata (versions, paths) stay out."""
    digest = hashlib.sha256()
    arrays = {**dataset.examples._asdict(), "subject": dataset.subject, "clip": dataset.clip, "site": sites_of(dataset)}
    for name, array in sorted(arrays.items()):
        little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{name} {little_endian.dtype.str} {array.shape};".encode())
        digest.update(little_endian.tobytes())
    digest.update(repr((dataset.class_names, dataset.au_names)).encode())
    return digest.hexdigest()


def with_classes(dataset: Dataset, num_classes: int) -> Dataset:
    """The samples whose emotion belongs to one of 3, 4 or 7 classes; the others join the drop list.

    CAS(ME)^3 and MMEW have other seven, see ``class_names``.

    Raises:
        ValueError: another number of classes, or no sample is left.
    """
    names = class_names(num_classes, dataset.database)
    emotions = emotions_of(dataset)
    classes = [emotion and class_name(emotion, num_classes, dataset.database) for emotion in emotions]
    labels = [name or _unclassed(emotion, num_classes) for emotion, name in zip(emotions, classes, strict=True)]
    return with_labels(dataset, names, labels, f"the {num_classes} classes")


def emotions_of(dataset: Dataset) -> list[str | None]:
    """The emotion of each example by name; None where there is none."""
    return [None if place < 0 else dataset.class_names[place] for place in dataset.examples.emotion.tolist()]


def with_labels(dataset: Dataset, names: tuple[str, ...], labels: Sequence[str | LeftOut], what: str) -> Dataset:
    """The samples that have a class; the others join the drop list.

    Args:
        dataset: its emotions are replaced.
        names: of all classes, in the order of their indices.
        labels: [examples] class, or why there is none.
        what: the classes, for messages.

    Raises:
        ValueError: no sample is left.
    """
    kept = np.flatnonzero([isinstance(label, str) for label in labels])
    if not kept.size:
        raise ValueError(f"{dataset.name}: no sample has an emotion of {what}")
    rows = dataset.row if dataset.row.size else np.zeros(len(dataset.clip), int)
    dropped = [
        {"row": int(row), "clip": str(clip), "reason": label.reason}
        for row, clip, label in zip(rows, dataset.clip, labels, strict=True)
        if isinstance(label, LeftOut)
    ]
    chosen: dict[str, Any] = {name: array[kept] for name, array in dataset.examples._asdict().items()}
    indices = [names.index(label) for label in labels if isinstance(label, str)]
    chosen["emotion"] = np.array(indices, dataset.examples.emotion.dtype)
    relabelled = replace(
        dataset,
        examples=dataset.examples._replace(**chosen),
        subject=dataset.subject[kept],
        clip=dataset.clip[kept],
        row=rows[kept],
        site=sites_of(dataset)[kept],
        class_names=names,
        metadata=dataset.metadata | {"dropped": [*dataset.metadata["dropped"], *dropped]},
    )
    return replace(relabelled, fingerprint=fingerprint(relabelled))


def _unclassed(emotion: str | None, num_classes: int) -> LeftOut:
    return LeftOut(
        f"emotion {emotion!r} is in none of the {num_classes} classes" if emotion else "no emotion is annotated"
    )
