"""Compare finished runs of any experiment: ``python -m experiments.compare RUN [RUN ...]``; see docs/compare.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from experiments.run.folder import RunFolder, create
from experiments.run.lifecycle import exit_with, remove_if_not_started
from experiments.run.progress import progress
from fedpsyau_jax.options import parsed


@dataclass(frozen=True)
class Options:
    """Compare finished runs.

    Attributes:
      runs: Folders of finished runs.
      output: Folder for the results; it must not exist. By default runs/compare-DATE-TIME.
      allow_different: Compare even if the data or the protocol differ; the differences are saved.
      pairs: Compare each row with the first of its run and with the same row of other runs, or compare all pairs.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]
    output: Path | None = None
    allow_different: bool = False
    pairs: Literal["one-thing", "all"] = "one-thing"


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.compare")
    from experiments.pages import compare_coordination
    from experiments.results import protocol, read

    folders = protocol.open_folders(options.runs)
    kind = protocol.kind_of(folders)
    output = create(options.output or Path("runs") / f"compare-{datetime.now():%Y%m%d-%H%M%S}", resumable=False)
    with remove_if_not_started(output, new=True):
        if kind == read.COORDINATION:
            compare_coordination.compare(folders, output, allow=options.allow_different)
        else:
            compare_predictions(folders, output, options)
    Console().print(f"Report: {output.path / 'report.html'}", soft_wrap=True)
    return 0


def compare_predictions(folders: Mapping[str, RunFolder], output: RunFolder, options: Options) -> None:
    """Compare runs that predict emotions or action units."""
    from experiments.pages import comparison as page
    from experiments.results import comparison, protocol, read

    runs = [read.read_finished(folder, label) for label, folder in folders.items()]
    facts = {run.label: protocol.protocol(run) for run in runs}
    differing = protocol.refuse_different(facts, allow=options.allow_different)
    with progress() as stages:
        with stages.stage("intervals by subject"):
            models = comparison.bootstrap_runs(runs)
            scores = comparison.score_table(runs, models)
        with stages.stage("paired differences"):
            differences = comparison.difference_rows(runs, models, comparison.row_pairs(runs, options.pairs))
    tables = runs, scores, differences.table, comparison.comparison_facts(runs, differing, differences)
    page.write(output, *tables)
    page.show(*tables, Console())


if __name__ == "__main__":
    exit_with(main)
