"""Compare finished runs of any experiment: ``python -m experiments.compare RUN [RUN ...]``.

Pooled scores with bootstrap intervals by subject, and paired differences wherever two models were tested on the same
clips; of studies of coordination, their pairs side by side. Runs on other data or by another protocol are refused;
docs/compare.md says what counts as that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro
from rich.console import Console

from experiments.pages import compare_coordination
from experiments.pages import comparison as comparison_page
from experiments.results.damage import check_scores
from experiments.results.intervals import (
    LEVEL,
    NUM_DRAWS,
    SEED,
    Interval,
    difference_intervals,
    score_intervals,
)
from experiments.results.read import COORDINATION, Finished, kind_of, opened, read, what_differs
from experiments.run import commandline, starting
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from fedpsyau_jax.options import parsed

PAIR = ["run", "algorithm", "other_run", "other_algorithm"]


@dataclass(frozen=True)
class Options:
    """Compare finished runs.

    Attributes:
      runs: Folders of finished runs.
      output: Folder for the results; it must not exist. By default runs/compare-DATE-TIME.
      allow_different: Compare even if the data or the protocol differ; what differs is written down.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]
    output: Path | None = None
    allow_different: bool = False


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
      Exit status 0.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.compare")
    folders = opened(options.runs)
    of_kind = studies_compared if kind_of(folders) == COORDINATION else predictions_compared
    path = options.output or Path("runs") / f"compare-{datetime.now():%Y%m%d-%H%M%S}"
    output = runfolder.create(path, resumable=False)
    with starting.gone_unless_begun(output, new=True):
        of_kind(folders, output, allow=options.allow_different)
    return 0


def predictions_compared(folders: Mapping[str, RunFolder], output: RunFolder, *, allow: bool) -> None:
    """Compare runs that predict emotions or action units."""
    runs = [read(label, folder) for label, folder in folders.items()]
    differing = differences_allowed({one.label: one.protocol for one in runs}, allow=allow)
    with progress() as stages:
        with stages.stage("intervals by subject"):
            compared = comparison(runs)
        with stages.stage("paired differences"):
            pairs, unpaired = differences(runs)
    conclude(output, runs, compared, pairs, facts_of(runs, differing, unpaired))


def studies_compared(folders: Mapping[str, RunFolder], output: RunFolder, *, allow: bool) -> None:
    """Compare studies of coordination."""
    studies = {label: compare_coordination.read(folder) for label, folder in folders.items()}
    protocols = {label: compare_coordination.protocol(study) for label, study in studies.items()}
    differing = differences_allowed(protocols, allow=allow)
    with progress() as stages, stages.stage("pairs side by side"):
        compare_coordination.write(output, folders, studies, differing)
    compare_coordination.show(studies, differing, Console())
    Console().print(f"Report: {output.path / 'report.html'}", soft_wrap=True)


def differences_allowed(protocols: Mapping[str, Mapping[str, Any]], *, allow: bool) -> list[str]:
    """What differs between runs besides their methods.

    Raises:
      ValueError: something does, and that is not allowed.
    """
    differing = what_differs(protocols)
    if differing and not allow:
        raise ValueError(
            f"the runs differ in more than their methods: {'; '.join(differing)}. Compare runs of one protocol on the "
            "same data, or add --allow-different"
        )
    return differing


def facts_of(runs: Sequence[Finished], differing: Sequence[str], unpaired: Sequence[str]) -> dict[str, Any]:
    """Content of comparison.json: which runs, what differs, what has no pairs, and how intervals were drawn."""
    return {
        "runs": {finished.label: str(finished.path) for finished in runs},
        "differing": list(differing),
        "unpaired": list(unpaired),
        "bootstrap": {"unit": "subject", "draws": NUM_DRAWS, "level": LEVEL, "seed": SEED},
    }


def conclude(
    folder: RunFolder, runs: Sequence[Finished], compared: pd.DataFrame, pairs: pd.DataFrame, facts: dict[str, Any]
) -> None:
    """Write and show scores and differences."""
    folder.write_json("comparison.json", facts)
    folder.write_table("comparison.csv", compared)
    folder.write_table("differences.csv", pairs)
    synthetic = any(finished.synthetic for finished in runs)
    metrics = {finished.label: finished.metrics for finished in runs}
    shown = {metric: heading for metric, heading in shown_in(runs).items() if compared[metric].notna().any()}
    page = comparison_page.write(folder, compared, pairs, metrics, facts, shown, synthetic=synthetic)
    comparison_page.show(compared, pairs, facts, shown, Console(), synthetic=synthetic)
    Console().print(f"Report: {page}", soft_wrap=True)


def shown_in(runs: Sequence[Finished]) -> dict[str, str]:
    """Metrics of any of the runs, and their headings."""
    return {metric: heading for finished in runs for metric, heading in finished.shown.items()}


def comparison(runs: Sequence[Finished]) -> pd.DataFrame:
    """Content of comparison.csv: each algorithm of each run with its intervals, then the baselines.

    A baseline that is the same in several runs is there once, under the first of them.
    """
    rows = []
    for finished in runs:
        for _, row in finished.summary.iterrows():
            scored = {name: row[name] for metric in finished.shown for name in (metric, f"{metric}_sd")}
            if row["kind"] == "trained":
                tests = finished.tested(row["algorithm"])
                scored |= {f"num_{column}s": tests[0][1][column].nunique() for column in ("repeat", "subject", "clip")}
                for measure, table in tests:
                    found = score_intervals(table, measure, seed=SEED, num_draws=NUM_DRAWS)
                    check_scores(finished.path, row, found)
                    scored |= columns_of(found, finished.shown)
            rows.append({"run": finished.label, "algorithm": row["algorithm"], "kind": row["kind"], **scored})
    sizes = ["num_repeats", "num_subjects", "num_clips"]
    scores = [f"{metric}{column}" for metric in shown_in(runs) for column in ("", "_low", "_high", "_sd")]
    table = pd.DataFrame(rows, columns=["run", "algorithm", "kind", *sizes, *scores])
    table = table.astype(dict.fromkeys(sizes, "Int64")).sort_values("kind", ascending=False, kind="stable")
    shared = table.duplicated(table.columns.difference(["run"]).tolist()) & (table["kind"] == "baseline")
    return table[~shared].reset_index(drop=True)


def differences(runs: Sequence[Finished]) -> tuple[pd.DataFrame, list[str]]:
    """Paired differences, wherever two models were tested on the same clips.

    All pairs within a run. Of two runs, the models of one name; one that has no namesake in the other run is paired
    with all models there.

    Returns:
      Content of differences.csv (score of the first minus score of the other), and a sentence for each two runs whose
      models cannot be paired.
    """
    models = [(finished, algorithm) for finished in runs for algorithm in finished.algorithms]
    unpaired: dict[tuple[str, str], str] = {}
    rows = []
    for (one, algorithm), (other, other_algorithm) in combinations(models, 2):
        both_have_namesakes = algorithm in other.algorithms and other_algorithm in one.algorithms
        if one is not other and algorithm != other_algorithm and both_have_namesakes:
            continue
        try:
            rows.append(difference(one, algorithm, other, other_algorithm))
        except ValueError as error:
            unpaired[one.label, other.label] = f"No paired differences between {one.label} and {other.label}: {error}."
    return difference_table(rows, runs), list(unpaired.values())


def difference(one: Finished, algorithm: str, other: Finished, other_algorithm: str) -> dict[str, Any]:
    """A row of differences.csv; scores that only one of the two has are left out.

    Raises:
      ValueError: they were not tested on the same clips.
    """
    row: dict[str, Any] = dict(zip(PAIR, (one.label, algorithm, other.label, other_algorithm), strict=True))
    for (measure, table), (_, other_table) in zip(one.tested(algorithm), other.tested(other_algorithm), strict=False):
        found = difference_intervals(table, other_table, measure, seed=SEED, num_draws=NUM_DRAWS)
        row |= columns_of(found, one.shown)
    return row


def difference_table(rows: Sequence[Mapping[str, Any]], runs: Sequence[Finished]) -> pd.DataFrame:
    """Content of differences.csv."""
    scores = [f"{metric}{bound}" for metric in shown_in(runs) for bound in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*PAIR, *scores])


def columns_of(intervals: Mapping[str, Interval], shown: Mapping[str, str]) -> dict[str, float]:
    """Intervals as cells: estimate, lower and upper bound of each metric that is shown."""
    return {
        metric if name == "estimate" else f"{metric}_{name}": value
        for metric, interval in intervals.items()
        if metric in shown
        for name, value in interval._asdict().items()
    }


if __name__ == "__main__":
    commandline.exit_with(main)
