"""Rebuild a dataset without losing the existing one, even if the process is killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def aside(folder: Path, place: Path) -> Iterator[None]:
    """Move a folder aside while it is rebuilt, and back if that fails.

    Args:
        folder: of the dataset.
        place: where to keep it meanwhile.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    try:
        yield
    except BaseException:
        place.rename(folder)
        raise
    shutil.rmtree(place)


def put_back(folder: Path, place: Path) -> bool:
    """Whether a folder was still aside, after a kill, and is back now."""
    if not place.is_dir() or folder.exists():
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    place.rename(folder)
    return True
