"""Processes of other interpreters that do some work again and again when they are asked to: see ``peers.protocol``."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

SCRIPTS = Path(__file__).parent / "peers"


class ChildEnded(RuntimeError):
    """It ended instead of answering; what it said last."""


class Child:
    """A script of ``benchmarks/peers`` in an interpreter of its own, without this process's packages."""

    def __init__(self, python: Path, script: str, *arguments: str) -> None:
        """Start it; it answers when it has loaded its packages."""
        self._said = TemporaryFile()  # noqa: SIM115, closed when the child is
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        self._process = subprocess.Popen(
            [str(python), str(SCRIPTS / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=environment,
            text=True,
        )

    def ask(self) -> dict[str, Any]:
        """Have it work once.

        Raises:
          ChildEnded: it did not answer.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise ChildEnded(self._last_words()) from None
        if not (line := self._process.stdout.readline()):
            raise ChildEnded(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it ended without a word")

    def __enter__(self) -> Self:
        """The child."""
        return self

    def __exit__(self, *problem: object) -> None:
        """Let it end."""
        try:
            self._process.communicate(timeout=30)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.communicate()
        self._said.close()


def torch_python(peers: Mapping[str, Path]) -> Path | None:
    """An interpreter that has PyTorch: the one that was named, or this one."""
    if "torch" in peers:
        return peers["torch"]
    return Path(sys.executable) if find_spec("torch") else None
