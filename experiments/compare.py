"""Compare finished runs of any experiment: ``python -m experiments.compare RUN [RUN ...]``.

Scores with bootstrap intervals by subject, and paired differences of rows that were tested on the same clips; of
studies of coordination, their pairs side by side. docs/compare.md says which runs can be compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from experiments.pages import compare_coordination
from experiments.pages import comparison as comparison_page
from experiments.results import comparison, protocol
from experiments.results.read import COORDINATION, read_finished
from experiments.run import commandline, starting
from experiments.run.folder import RunFolder, create
from experiments.run.progress import progress
from fedpsyau_jax.options import parsed


@dataclass(frozen=True)
class Options:
    """Compare finished runs.

    Attributes:
      runs: Folders of finished runs.
      output: Folder for the results; it must not exist. By default runs/compare-DATE-TIME.
      allow_different: Compare even if the data or the protocol differ; what differs is written down.
      pairs: Compare each row with the first of its run and with the same row of other runs; or all pairs of rows.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]
    output: Path | None = None
    allow_different: bool = False
    pairs: comparison.Pairs = "one-thing"


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.compare")
    folders = protocol.open_folders(options.runs)
    compare = compare_coordination.compare if protocol.kind_of(folders) == COORDINATION else compare_predictions
    path = options.output or Path("runs") / f"compare-{datetime.now():%Y%m%d-%H%M%S}"
    output = create(path, resumable=False)
    with starting.gone_unless_begun(output, new=True):
        compare(folders, output, allow=options.allow_different, pairs=options.pairs)
    Console().print(f"Report: {output.path / 'report.html'}", soft_wrap=True)
    return 0


def compare_predictions(
    folders: Mapping[str, RunFolder], output: RunFolder, *, allow: bool, pairs: comparison.Pairs
) -> None:
    """Compare runs that predict emotions or action units."""
    runs = [read_finished(folder, label) for label, folder in folders.items()]
    differing = protocol.refuse_different({run.label: protocol.protocol(run) for run in runs}, allow=allow)
    with progress() as stages:
        with stages.stage("intervals by subject"):
            resamples = comparison.resample_runs(runs)
            scores = comparison.score_table(runs, resamples)
        with stages.stage("paired differences"):
            differences = comparison.difference_rows(runs, resamples, comparison.row_pairs(runs, pairs))
    facts = comparison.comparison_facts(runs, differing, differences)
    comparison_page.write(output, runs, scores, differences.table, facts)
    comparison_page.show(runs, scores, differences.table, facts, Console())


if __name__ == "__main__":
    commandline.exit_with(main)
