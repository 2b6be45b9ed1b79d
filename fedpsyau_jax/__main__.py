"""All commands under one name: ``fedpsyau fed --clients=5``, or ``python -m fedpsyau_jax fed --clients=5``.

Unlike ``python -m experiments.fed`` this works in a folder that has a ``data`` or ``experiments`` of its own.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple


class Command(NamedTuple):
    """A command: its module, and what it does in one line."""

    module: str
    description: str


COMMANDS = {
    "fed": Command("experiments.fed", "compare federated algorithms"),
    "mer": Command("experiments.mer", "recognise micro-expressions, cross-validated by subject"),
    "ablate": Command("experiments.ablate", "network variants x priors x repeats"),
    "pretrain": Command("experiments.pretrain", "train a detector of action units"),
    "compare": Command("experiments.compare", "finished runs side by side"),
    "explain": Command("experiments.explain", "how trained networks use their prior"),
    "attack": Command("experiments.attack", "what weights give away about who was trained on"),
    "report": Command("experiments.report", "write the report of a run again"),
    "coordination": Command("experiments.coordination", "which action units co-occur in annotations"),
    "predict": Command("experiments.predict", "action units and emotion of your own clips"),
    "export": Command("experiments.export", "the networks of a run for other programs"),
    "score": Command("experiments.score", "UF1, UAR and intervals of anybody's predictions"),
    "parity": Command("experiments.parity", "agreement with the released network"),
    "prepare": Command("data.prepare", "make a dataset of your own copy of a database"),
    "intervals": Command("data.intervals", "expressions and blinks of long videos, as a table"),
    "contact-sheet": Command("data.contact_sheet", "a picture to check the synthetic database by eye"),
    "synthesis": Command("fedpsyau_jax.synthesis", "a small synthetic copy of a database"),
}
_OURS = ("data", "experiments")


def search_path(path: Sequence[str], home: Path, here: Path) -> list[str]:
    """Where to look for modules: ours before a ``data`` or ``experiments`` of the user, and theirs still found.

    Args:
      path: as Python was started with.
      home: the folder that holds this package.
      here: the current folder, for ``module:function`` of the user's own; ``python -m`` looks there, a script does not.

    >>> search_path(["/usr/lib"], Path("/site-packages"), Path("/study"))
    ['/usr/lib', '/site-packages', '/study']
    """
    theirs = [entry for entry in path if Path(entry) != home and _has_our_names(Path(entry))]
    others = [entry for entry in path if entry not in theirs]
    return list(dict.fromkeys([*others, str(home), *theirs, str(here)]))


def _has_our_names(folder: Path) -> bool:
    return any((folder / name).exists() for ours in _OURS for name in (ours, f"{ours}.py"))


def usage() -> str:
    """The help: every command in one line."""
    width = max(map(len, COMMANDS))
    lines = (f"  {name:{width}}  {command.description}" for name, command in COMMANDS.items())
    head = "usage: fedpsyau COMMAND [OPTIONS]\n\nfedpsyau COMMAND --help lists the options of a command:"
    return "\n".join([head, *lines])


def mistake(name: str) -> str:
    """One sentence about a command that does not exist."""
    from fedpsyau_jax.options import did_you_mean

    return f"Error: there is no command {name}: {did_you_mean(name, COMMANDS)}fedpsyau --help lists all"


def main() -> int:
    """Run the command that the arguments name, just as ``python -m`` runs its module; returns the exit status."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h"):
        print(usage())
        return 0
    if name == "--version":
        print(f"fedpsyau {version('fedpsyau-jax')}")
        return 0
    if name not in COMMANDS:
        print(mistake(name), file=sys.stderr)
        return 2
    sys.path[:] = search_path(sys.path, Path(__file__).resolve().parents[1], Path.cwd())
    sys.argv[1:] = rest
    runpy.run_module(COMMANDS[name].module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
