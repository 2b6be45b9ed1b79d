"""Messages and states on a disk: whole or not at all, and without Python objects."""

import io
import json
from pathlib import Path

import numpy as np

from deployment.payload import Payload
from experiments.run.folder import RunFolder

__all__ = ["load", "save"]

HEAD = "head"


def save(path: Path, payload: Payload) -> None:
    """Write a message; a process that is killed meanwhile leaves the file as it was."""
    content = io.BytesIO()
    head = np.frombuffer(json.dumps([payload.kind, dict(payload.facts)]).encode(), np.uint8)
    np.savez(content, allow_pickle=False, **{HEAD: head}, **payload.arrays)
    RunFolder(path.parent).write_bytes(path.name, content.getvalue())


def load(path: Path) -> Payload | None:
    """What ``save`` wrote; None if there is no file.

    Raises:
        ValueError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        kind, facts = json.loads(arrays.pop(HEAD).tobytes())
    except Exception as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}): restore it from a backup") from None
    return Payload(kind, facts, arrays)
