"""Intermediate arrays of a run, written atomically and verified by digest on read.

A file holds a digest of what its arrays belong to. So neither a damaged file nor one of another run, fold or repeat can
become a result.
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

from experiments.run.folder import RunFolder
from experiments.run.mistakes import warn
from fedpsyau_jax.types import Int

ORIGIN, CORRUPT = "origin", "corrupt"


class Damaged(ValueError):
    """A file does not hold what was written to it."""


def write(folder: RunFolder, name: str, identity: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, whole or not at all.

    Args:
      folder: of the run.
      name: of the file, ending in npz.
      identity: what the arrays belong to, as a JSON value; different for each file of a run.
      arrays: by name.
    """
    content, everything = io.BytesIO(), {ORIGIN: origin(folder, [identity, sorted(arrays)]), **arrays}
    np.savez(content, allow_pickle=False, **everything)
    folder.write_bytes(name, content.getvalue())


def read(folder: RunFolder, name: str, identity: Any) -> dict[str, np.ndarray]:
    """Read what ``write`` wrote.

    Raises:
      Damaged: the file is broken, or another one.
      OSError: there is none, or it cannot be opened.
    """
    arrays = load(path := folder.path / name)
    stored = arrays.pop(ORIGIN, np.empty(0))
    if not np.array_equal(stored, origin(folder, [identity, sorted(arrays)])):
        raise Damaged(f"{path} is of another run, or of another part of this one")
    return arrays


def read_or_discard(folder: RunFolder, name: str, identity: Any, consequence: str) -> dict[str, np.ndarray] | None:
    """Read what ``write`` wrote; None if there is no file, or a damaged one, which is put aside with a warning.

    Args:
      folder: of the run.
      name: of the file.
      identity: as given to ``write``.
      consequence: what happens instead, for the warning.
    """
    if not (folder.path / name).exists():
        return None
    try:
        return read(folder, name, identity)
    except Damaged as error:
        warn(f"{error}; it is put aside as {_put_aside(folder, name)}, and {consequence}")
        return None


def load(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an npz file.

    Raises:
      Damaged: it cannot be read as one.
      OSError: there is none, or it cannot be opened.
    """
    try:
        content = io.BytesIO(path.read_bytes())
        if not is_zipfile(content):
            raise ValueError("it is no archive of arrays")
        with np.load(content) as arrays:
            return dict(arrays)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # zipfile, zlib and numpy raise whatever they like for broken files
        first, *_ = str(error).splitlines() or [type(error).__name__]
        raise Damaged(f"{path} cannot be read ({first})") from None


def origin(folder: RunFolder, identity: Any) -> Int[np.ndarray, "bytes=32"]:
    """A digest of the settings and the data of a run, and of what some arrays belong to."""
    config, data = (folder.read_json(name) if folder.has(name) else {} for name in ("config.json", "data.json"))
    fingerprints = [one.get("fingerprint") for one in data.get("databases", [])]
    facts = json.dumps([config.get("settings"), fingerprints, identity], sort_keys=True)
    return np.frombuffer(hashlib.sha256(facts.encode()).digest(), np.uint8)


def _put_aside(folder: RunFolder, name: str) -> Path:
    aside = folder.path / CORRUPT / Path(name).name
    aside.parent.mkdir(exist_ok=True)
    if aside.is_dir():
        shutil.rmtree(aside)
    return (folder.path / name).replace(aside)
