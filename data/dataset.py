"""A database as arrays: built on first use, read afterwards."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import numpy as np

from data.progress import Progress, progress_bar

if TYPE_CHECKING:
    from data.builder import MicroExpressionBuilder
    from fedpsyau_jax.types import Examples

DATABASES = {"synthetic": ("federated", "pretraining")}


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


def load(
    name: str = "synthetic",
    config: str = "federated",
    data_dir: str | Path | None = None,
    progress: Progress = progress_bar,
    num_workers: int | None = None,
) -> Dataset:
    """A database's samples; built first if they are not on disk, or were made by another recipe.

    Args:
        name: database.
        config: configuration of it.
        data_dir: tfds's data folder; by default ``TFDS_DATA_DIR``, else tfds's own.
        progress: how a build is shown.
        num_workers: processes of a build; by default all cores.

    Returns:
        The same content in the same order, however it was built.

    Raises:
        ValueError: no such database or configuration, or broken files (the message names file and row).
        OSError: the data folder cannot be written or read, or OpenCV lacks TV-L1.
    """
    if config not in DATABASES.get(name, ()):
        known = ", ".join(f"{database}/{one}" for database, configs in DATABASES.items() for one in configs)
        raise ValueError(f"no database {name}/{config}; there are {known}")
    builder_class = import_module(f"data.{name}.{name}_dataset_builder").Builder
    return from_builder(
        partial(builder_class, config=config, data_dir=data_dir, progress=progress, num_workers=num_workers)
    )


def from_builder(make_builder: "Callable[[], MicroExpressionBuilder]") -> Dataset:
    """The dataset of a tfds builder, built if need be.

    Args:
        make_builder: a builder class with its options.
    """
    with _quiet_tfds():
        builder = make_builder()
        if builder.is_prepared() and any(builder.info.metadata.get(k) != v for k, v in builder.recipe().items()):
            shutil.rmtree(builder.data_dir)
            builder = make_builder()
        if not builder.is_prepared():
            builder.download_and_prepare()
        return _read(builder)


@contextmanager
def _quiet_tfds() -> Iterator[None]:
    """Keep tfds's own bars, notes and use of deprecated protobuf calls from the user."""
    import tensorflow_datasets as tfds
    from absl import logging

    tfds.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with redirect_stdout(StringIO()), catch_warnings():
            simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)


def _read(builder: "MicroExpressionBuilder") -> Dataset:
    from fedpsyau_jax.priors.action_units import ACTION_UNITS
    from fedpsyau_jax.types import Examples

    try:
        records = sorted(builder.as_data_source(split="train"), key=lambda record: record["clip"])
    except Exception as error:
        raise OSError(f"{builder.data_dir}: cannot be read ({error}); delete this folder and run again") from error
    arrays: dict[str, Any] = {field: np.stack([record[field] for record in records]) for field in Examples._fields}
    subject, clip = (np.array([record[field].decode() for record in records]) for field in ("subject", "clip"))
    dataset = Dataset(
        name=builder.info.full_name,
        examples=Examples(**arrays),
        subject=subject,
        clip=clip,
        class_names=tuple(builder.info.features["emotion"].names),
        au_names=tuple(f"AU{number}" for number in ACTION_UNITS),
        synthetic=builder.synthetic,
        fingerprint="",
        metadata=dict(builder.info.metadata),
    )
    return replace(dataset, fingerprint=fingerprint(dataset))


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over the arrays and names of a dataset; metadata (versions, paths) stay out."""
    digest = hashlib.sha256()
    arrays = {**dataset.examples._asdict(), "subject": dataset.subject, "clip": dataset.clip}
    for name, array in sorted(arrays.items()):
        little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{name} {little_endian.dtype.str} {array.shape};".encode())
        digest.update(little_endian.tobytes())
    digest.update(repr((dataset.class_names, dataset.au_names)).encode())
    return digest.hexdigest()
