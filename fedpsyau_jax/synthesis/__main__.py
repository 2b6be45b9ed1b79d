"""``python -m fedpsyau_jax.synthesis --layout casme3 --output DIR``: a small synthetic copy of a database."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console

from fedpsyau_jax.options import parsed
from fedpsyau_jax.synthesis.layouts import LAYOUTS, Truth, write_copy

LayoutName = Literal[
    "casme3", "casme3-long", "casme3-c", "dfme", "dfme-challenge", "casme2", "samm", "smic", "smic-raw", "smic-e",
    "mmew", "disfa", "ckplus",
]  # fmt: skip


def main(
    layout: LayoutName,
    output: Path,
    subjects: int = 10,
    clips: int = 2,
    seed: int = 0,
    quirks: bool = True,
    landmarks: bool = True,
    faceless: bool = False,
) -> int:
    """Write synthetic faces in the layout of a database, to test its reader without the database.

    Args:
        layout: the database whose folders, file names and tables to imitate.
        output: new or empty folder.
        subjects: people.
        clips: ordinary expressions of each.
        seed: determines everything.
        quirks: add a row for each oddity of real copies.
        landmarks: write the landmarks of every frame.
        faceless: add a clip without a visible face.

    Raises:
        OSError, ValueError: the user's mistake, in one sentence.
    """
    truth = write_copy(
        LAYOUTS[layout],
        output,
        num_subjects=subjects,
        clips_per_subject=clips,
        seed=seed,
        quirks=quirks,
        landmarks=landmarks,
        faceless=faceless,
    )
    Console(soft_wrap=True).print(summary(truth), markup=False, highlight=False)
    return 0


def run(arguments: Sequence[str]) -> int:
    """The command: its exit status, 2 after one sentence on bad input."""
    try:
        return parsed(main, arguments, prog="python -m fedpsyau_jax.synthesis")
    except (OSError, ValueError) as error:
        Console(stderr=True, soft_wrap=True).print(f"Error: {error}", markup=False, highlight=False)
        return 2


def summary(truth: Truth) -> str:
    """What was written, in a few lines."""
    people = len({row.subject for row in truth.rows})
    lines = [f"{truth.root}: {len(truth.rows)} expressions of {people} people in the layout of {truth.layout}"]
    lines += [f"table: {table.name}" for table in truth.tables]
    lines += [f"no sample, {problem}: {count}" for problem, count in Counter(r.problem for r in truth.dropped).items()]
    lines += [f"row {row.row}, {row.subject} {row.filename}: {row.quirk}" for row in truth.rows if row.quirk]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
