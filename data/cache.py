"""Cache the finished arrays of each clip in a file, so that a killed build can continue."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

_SEEN = 4096  # bytes

Arrays = Mapping[str, np.ndarray]


def cached(folder: Path | None, key: str, compute: Callable[[], Arrays]) -> Arrays:
    """Read the arrays stored under a key, or compute and store them; an unreadable file is computed again.

    Args:
        folder: where files are kept; None keeps nothing.
        key: all that the arrays depend on.
        compute: makes them.
    """
    if (arrays := stored(folder, key)) is None:
        arrays = compute()
        store(folder, key, arrays)
    return arrays


def stored(folder: Path | None, key: str) -> Arrays | None:
    """The arrays stored under a key; None if there are none that can be read."""
    if folder is None:
        return None
    try:
        with _path(folder, key).open("rb") as stream, np.load(stream) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def store(folder: Path | None, key: str, arrays: Arrays) -> None:
    """Store arrays under a key, whole or not at all."""
    if folder is None:
        return
    path = _path(folder, key)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as unfinished:
        np.savez(unfinished, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)


def _path(folder: Path, key: str) -> Path:
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"


def glimpse(path: Path) -> tuple[int, str]:
    """Size of a file and a hash of bytes from its middle: enough to tell pictures of one size apart."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(0, (size - _SEEN) // 2))
        return size, hashlib.sha256(stream.read(_SEEN)).hexdigest()


def files_key(paths: Iterable[Path]) -> str:
    """Names, sizes and times of files: changes whenever one of them is replaced."""
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.exists()]
    return repr(stats)
