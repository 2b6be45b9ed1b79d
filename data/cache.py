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
    if folder is None:
        return compute()
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
    try:
        with path.open("rb") as stream, np.load(stream) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        arrays = compute()
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as unfinished:
        np.savez(unfinished, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)
    return arrays


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
