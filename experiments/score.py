"""Score anybody's predictions of clips: ``python -m experiments.score FILE``; see docs/score.md."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from experiments.run import lifecycle
from experiments.run.progress import progress
from fedpsyau_jax.options import parsed


@dataclass(frozen=True)
class Options:
    """Score predictions of clips: UF1, UAR, accuracy and macro precision, with intervals by subject.

    Attributes:
      file: Table with headings (CSV, TSV, Excel), log of clip, truth and prediction in plain text, or run folder.
      emotions: What class numbers mean, as 0=negative 1=positive; by default 0, 1, 2 are those of MEGC 2019.
      columns: Which heading holds what, as truth=HEADING; the others are recognised. Roles: truth, prediction, subject,
        clip, database, fold, repeat, algorithm.
      output: Folder for the results; it must not exist. By default runs/score-DATE-TIME.
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    emotions: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    output: Path | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
      Exit status: 0.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.score")
    from experiments.inputs.predictions.classes import parse_meanings
    from experiments.inputs.predictions.read import read_predictions
    from experiments.inputs.predictions.table import parse_columns
    from experiments.pages import score as page
    from experiments.results import clip_scores, known_protocol

    columns, meanings = parse_columns(options.columns), parse_meanings(options.emotions)
    with progress() as stages:
        with stages.stage("reading"):
            predictions = read_predictions(options.file, columns, meanings)
            check = known_protocol.check_protocol(predictions)
        with stages.stage("intervals by subject"):
            scores = clip_scores.score(predictions)
    settings = asdict(options) | {"file": str(options.file), "output": str(options.output or "")}
    folder = lifecycle.start("score", arguments, settings, options.output, resumable=False)
    page.write(folder, predictions, scores, check)
    page.show(folder, predictions, scores, check, Console())
    return 0


if __name__ == "__main__":
    lifecycle.exit_with(main)
