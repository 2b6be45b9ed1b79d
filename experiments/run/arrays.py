"""Arrays that an unfinished run keeps until it ends: written in one step, and known again when they are read.

A file says what it is of. So neither a damaged one nor one of another run, fold or repeat can become a result.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
from rich.console import Console

from experiments.run.folder import RunFolder
from fedpsyau_jax.types import Int

ORIGIN, ASIDE = "origin", "corrupt"


class Damaged(ValueError):
    """A file holds other things than what was written there."""


def write(folder: RunFolder, name: str, of: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep arrays.

    Args:
      folder: of the run.
      name: of the file, ending in npz.
      of: what they are of, as JSON can say it: no two files of a run are of the same.
      arrays: by name.
    """
    content, everything = io.BytesIO(), {ORIGIN: origin(folder, [of, sorted(arrays)]), **arrays}
    np.savez(content, allow_pickle=False, **everything)
    folder.write_bytes(name, content.getvalue())


def read(folder: RunFolder, name: str, of: Any) -> dict[str, np.ndarray]:
    """What ``write`` kept.

    Raises:
      Damaged: the file is broken, or another one.
      OSError: there is none, or it may not be read.
    """
    arrays = arrays_in(place := folder.path / name)
    was = arrays.pop(ORIGIN, np.empty(0))
    if not np.array_equal(was, origin(folder, [of, sorted(arrays)])):
        raise Damaged(f"{place} is of another run, or of another part of this one")
    return arrays


def found(folder: RunFolder, name: str, of: Any, so: str) -> dict[str, np.ndarray] | None:
    """What ``write`` kept; None where it kept nothing, or where that is damaged: then it is put aside, with a warning.

    Args:
      folder: of the run.
      name: of the file.
      of: as given to ``write``.
      so: what happens instead, for the warning.
    """
    if not (folder.path / name).exists():
        return None
    try:
        return read(folder, name, of)
    except Damaged as error:
        warn(f"{error}; it is put aside as {_put_aside(folder, name)}, and {so}")
        return None


def warn(sentence: str) -> None:
    """Say on standard error what was damaged, and what happens instead."""
    told = f"Warning: {sentence}."
    Console(stderr=True).print(told, style="yellow", markup=False, highlight=False, soft_wrap=True)


def arrays_in(place: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file.

    Raises:
      Damaged: it cannot be read as one.
      OSError: there is none, or it may not be read.
    """
    try:
        content = io.BytesIO(place.read_bytes())
        if not is_zipfile(content):
            raise ValueError("it is no archive of arrays")
        with np.load(content) as arrays:
            return dict(arrays)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # zipfile, zlib and numpy raise whatever they like for broken files
        first, *_ = str(error).splitlines() or [type(error).__name__]
        raise Damaged(f"{place} cannot be read ({first})") from None


def origin(folder: RunFolder, of: Any) -> Int[np.ndarray, "bytes=32"]:
    """A digest, to keep with arrays, of the settings and the data of their run, and of what they are of."""
    facts = [folder.read_json(name) if folder.has(name) else {} for name in ("config.json", "data.json")]
    special = [facts[0].get("settings"), facts[1].get("fingerprint", facts[1].get("databases")), of]
    return np.frombuffer(hashlib.sha256(json.dumps(special, sort_keys=True).encode()).digest(), np.uint8)


def _put_aside(folder: RunFolder, name: str) -> Path:
    aside = folder.path / ASIDE / Path(name).name
    aside.parent.mkdir(exist_ok=True)
    if aside.is_dir():
        shutil.rmtree(aside)
    return (folder.path / name).replace(aside)
