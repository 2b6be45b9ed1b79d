"""A tfds builder of any database, its dataset made on first use."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from data.databases import REAL, check_known
from data.progress import Progress, progress_bar
from data.replacing import aside, put_back

if TYPE_CHECKING:
    from data.builder import MicroExpressionBuilder


def builder_of(
    name: str,
    config: str | None,
    data_dir: str | Path | None,
    progress: Progress = progress_bar,
    num_workers: int | None = None,
    manual_dir: str | Path | None = None,
    **options: Any,
) -> "Callable[..., MicroExpressionBuilder]":
    """A database's builder class with its options; see ``load``.

    Raises:
        ValueError: no such database or configuration, or a copy of one that needs none.
    """
    config = check_known(name, config)
    if name in REAL:
        options |= {"manual_dir": manual_dir}
    elif manual_dir is not None:
        raise ValueError(f"--manual-dir={manual_dir}: {name} is rendered, not made from a copy; leave it out")
    builder_class = import_module(f"data.{name}.{name}_dataset_builder").Builder
    return partial(
        builder_class, config=config, data_dir=data_dir, progress=progress, num_workers=num_workers, **options
    )


def built(
    make_builder: "Callable[[], MicroExpressionBuilder]",
    demands: Mapping[str, Any] | None = None,
    *,
    only_read: bool = False,
) -> "MicroExpressionBuilder":
    """A tfds builder whose dataset is on disk: built if need be, a sample at a time.

    A dataset that is made again stays until the new one is complete.

    Args:
        make_builder: a builder class with its options.
        demands: further metadata without which a dataset on disk is made again.
        only_read: whether to refuse rather than to build.

    Raises:
        ValueError: nothing is to be built, and the dataset is missing, or was made otherwise than now.
    """
    with quiet_tfds():
        builder = make_builder()
        folder, place = Path(builder.data_dir), builder.work_folder.with_name(f"{builder.builder_config.name}.replaced")
        if put_back(folder, place):
            builder = make_builder()
        changed = _changed(builder, demands or {}) if builder.is_prepared() else []
        if only_read and (changed or not builder.is_prepared()):
            raise ValueError(_not_to_be_read(builder, changed))
        if changed:
            with aside(folder, place):
                builder = make_builder()
                builder.download_and_prepare()
        elif not builder.is_prepared():
            builder.download_and_prepare()
        for leftover in (builder.work_folder, *folder.parent.glob(f"incomplete.*_{folder.name}")):
            shutil.rmtree(leftover, ignore_errors=True)
        return builder


@contextmanager
def reading(builder: "MicroExpressionBuilder") -> Iterator[Sequence[Mapping[str, Any]]]:
    """The samples of a builder whose dataset is on disk, each read when it is asked for.

    Raises:
        OSError: they cannot be read.
    """
    try:
        with quiet_tfds():
            yield builder.as_data_source(split="train")
    except NotImplementedError as error:
        raise OSError(
            f"{builder.data_dir}: its files are of the format {builder.info.file_format.value}, which only tfds.load "
            "reads, with TensorFlow; choose another --data-dir, where array_record files are made"
        ) from error
    except Exception as error:
        raise unreadable(builder.data_dir, error) from error


def _changed(builder: "MicroExpressionBuilder", demands: Mapping[str, Any]) -> list[str]:
    """Names of the metadata in which a dataset on disk differs from what is wanted."""
    wanted = {**builder.demands(), **demands}
    try:
        return [name for name, value in wanted.items() if builder.info.metadata.get(name) != value]
    except json.JSONDecodeError as error:
        raise unreadable(builder.data_dir, error) from error


def _not_to_be_read(builder: "MicroExpressionBuilder", changed: Sequence[str]) -> str:
    what = f"is outdated: this version makes it with another {' and '.join(changed)}" if changed else "is not there"
    return (
        f"{builder.data_dir}: the dataset {what}, and a command that reads runs makes none; run the training again, "
        f"which makes {builder.info.full_name} anew, or read it with the version of this package that made it"
    )


def unreadable(folder: str | Path, error: Exception) -> OSError:
    """What to say of a dataset on disk that is broken."""
    return OSError(f"{folder}: cannot be read ({error}); delete this folder and run again")


@contextmanager
def quiet_tfds() -> Iterator[None]:
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
