"""Compare finished runs of any experiment: ``python -m experiments.compare RUN [RUN ...]``.

Pooled scores with bootstrap intervals by subject, and paired differences wherever two models were tested on the same
clips. Runs on other data or by another protocol are refused; docs/compare.md says what counts as that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro
from rich.console import Console

from experiments import commandline, comparison_page, results, runfolder
from experiments.finished import Finished, read, what_differs
from experiments.intervals import (
    LEVEL,
    NUM_DRAWS,
    SCORES,
    SEED,
    Interval,
    check_pairs,
    difference_intervals,
    score_intervals,
)
from experiments.progress import progress
from experiments.runfolder import RunFolder

DIFFERENCES = ["run", "algorithm", "other_run", "other_algorithm"]
DIFFERENCES += [f"{metric}{bound}" for metric in SCORES for bound in ("", "_low", "_high")]
"""Columns of differences.csv."""


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
    options = tyro.cli(Options, args=arguments, prog="python -m experiments.compare")
    runs = read(options.runs)
    differing = what_differs(runs)
    if differing and not options.allow_different:
        raise ValueError(
            f"the runs differ in more than their methods: {'; '.join(differing)}. Compare runs of one protocol on the "
            "same data, or add --allow-different"
        )
    output = options.output or Path("runs") / f"compare-{datetime.now():%Y%m%d-%H%M%S}"
    if output.exists():
        raise FileExistsError(f"{output} exists already; choose another folder with --output")
    with progress() as stages:
        with stages.stage("intervals by subject"):
            compared = comparison(runs)
        with stages.stage("paired differences"):
            pairs, unpaired = differences(runs)
    folder = runfolder.create(output)
    facts = facts_of(runs, differing, unpaired)
    folder.write_json("comparison.json", facts)
    conclude(folder, runs, compared, pairs, facts)
    return 0


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
    folder.write_table("comparison.csv", compared)
    folder.write_table("differences.csv", pairs)
    synthetic = any(finished.run.synthetic for finished in runs)
    metrics = {finished.label: finished.run.metrics for finished in runs}
    page = comparison_page.write(folder, compared, pairs, metrics, facts, synthetic=synthetic)
    comparison_page.show(compared, pairs, facts, Console(), synthetic=synthetic)
    Console().print(f"Report: {page}", soft_wrap=True)


def comparison(runs: Sequence[Finished]) -> pd.DataFrame:
    """Content of comparison.csv: each algorithm of each run with its intervals, then the baselines.

    A baseline that is the same in several runs is there once, under the first of them.
    """
    rows = []
    for finished in runs:
        for _, row in finished.run.summary.iterrows():
            scored = {name: row[name] for metric in results.METRICS for name in (metric, f"{metric}_sd")}
            if row["kind"] == "trained":
                tested = finished.predictions(row["algorithm"])
                scored |= {f"num_{column}s": tested[column].nunique() for column in ("repeat", "subject", "clip")}
                scored |= columns_of(score_intervals(tested, seed=SEED, num_draws=NUM_DRAWS))
            rows.append({"run": finished.label, "algorithm": row["algorithm"], "kind": row["kind"], **scored})
    sizes = ["num_repeats", "num_subjects", "num_clips"]
    scores = [f"{metric}{column}" for metric in SCORES for column in ("", "_low", "_high", "_sd")]
    table = pd.DataFrame(rows, columns=["run", "algorithm", "kind", *sizes, *scores, "au_f1", "au_f1_sd"])
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
        tables = (one.predictions(algorithm), other.predictions(other_algorithm))
        try:
            check_pairs(*tables)
        except ValueError as error:
            unpaired[one.label, other.label] = f"No paired differences between {one.label} and {other.label}: {error}."
            continue
        names = {"run": one.label, "algorithm": algorithm, "other_run": other.label, "other_algorithm": other_algorithm}
        rows.append(names | columns_of(difference_intervals(*tables, seed=SEED, num_draws=NUM_DRAWS)))
    return pd.DataFrame(rows, columns=DIFFERENCES), list(unpaired.values())


def columns_of(intervals: dict[str, Interval]) -> dict[str, float]:
    """Intervals as cells: estimate, lower and upper bound of each metric."""
    return {
        metric if name == "estimate" else f"{metric}_{name}": value
        for metric, interval in intervals.items()
        for name, value in interval._asdict().items()
    }


if __name__ == "__main__":
    commandline.exit_with(main)
