"""Finished runs side by side: the scores of their rows, and the paired differences between rows."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

import pandas as pd

from experiments.results.damage import check_scores
from experiments.results.differences import BOUNDS, differences_of, interval_cells, intervals_of
from experiments.results.intervals import LEVEL, NUM_DRAWS, SEED, BootstrapScores, bootstrap
from experiments.results.read import FinishedRun

PAIR = ["run", "algorithm", "other_run", "other_algorithm"]
Pairs = Literal["one-thing", "all"]
Row = tuple[FinishedRun, str]
"""A row of the table of a run: the run, and the title of the row."""
Models = Mapping[tuple[str, str], Sequence[BootstrapScores]]
"""By the label of a run and the title of a row, what the row is scored by."""


class Differences(NamedTuple):
    """Content of differences.csv, and sentences about runs that cannot be paired, or that are identical."""

    table: pd.DataFrame
    unpaired: list[str]
    identical: list[str]


def bootstrap_runs(
    runs: Sequence[FinishedRun], num_draws: int = NUM_DRAWS
) -> dict[tuple[str, str], list[BootstrapScores]]:
    """Score each row of each run, and each bootstrap draw of its subjects.

    Returns:
      By the label of the run and the title of the row.
    """
    return {
        (run.label, algorithm): [
            bootstrap(table[table["algorithm"] == algorithm], measure, seed=SEED, num_draws=num_draws)
            for measure, table in run.tests
        ]
        for run in runs
        for algorithm in run.algorithms
    }


def metric_headings(runs: Sequence[FinishedRun]) -> dict[str, str]:
    """Metrics of any of the runs, and their headings."""
    return {metric: heading for run in runs for metric, heading in run.metric_headings.items()}


def score_table(runs: Sequence[FinishedRun], models: Models) -> pd.DataFrame:
    """Content of comparison.csv: each row of each run with its intervals, then the baselines.

    A baseline that is the same in several runs is there once, under the first of them.

    Raises:
      ValueError: the predictions of a run do not give the scores of its summary.
    """
    rows = [row for run in runs for row in _score_rows(run, models)]
    sizes = ["num_repeats", "num_subjects", "num_clips"]
    columns = [f"{metric}{bound}" for metric in metric_headings(runs) for bound in (*BOUNDS, "_sd")]
    table = pd.DataFrame(rows, columns=["run", "algorithm", "kind", *sizes, *columns])
    table = table.astype(dict.fromkeys(sizes, "Int64")).sort_values("kind", ascending=False, kind="stable")
    shared = table.duplicated(table.columns.difference(["run"]).tolist()) & (table["kind"] == "baseline")
    return table[~shared].reset_index(drop=True)


def row_pairs(runs: Sequence[FinishedRun], pairs: Pairs = "one-thing") -> list[tuple[Row, Row]]:
    """Which rows are compared.

    Args:
      runs: to compare.
      pairs: "one-thing" for those that differ in one thing: every row with the first of its run, and every row with
        the same row of each other run. A row without a namesake there is compared with the rows there that have its
        name on the command line, prior and variant; with all of them if there are none. "all" for all pairs.
    """
    rows: list[Row] = [(run, algorithm) for run in runs for algorithm in run.algorithms]
    return [(one, other) for one, other in combinations(rows, 2) if pairs == "all" or _one_thing(one, other)]


def difference_rows(runs: Sequence[FinishedRun], models: Models, pairs: Sequence[tuple[Row, Row]]) -> Differences:
    """Paired differences, wherever two rows were tested on the same clips.

    Returns:
      differences.csv (score of the first less that of the other); a sentence for each two runs whose rows cannot be
      paired; and one for each two runs with the same predictions.
    """
    unpaired: dict[tuple[str, str], str] = {}
    table = []
    for (one, algorithm), (other, other_algorithm) in pairs:
        names = dict(zip(PAIR, (one.label, algorithm, other.label, other_algorithm), strict=True))
        try:
            by_metric = differences_of(models[one.label, algorithm], models[other.label, other_algorithm])
        except ValueError as error:
            unpaired[one.label, other.label] = f"No paired differences between {one.label} and {other.label}: {error}."
            continue
        table.append(names | interval_cells(by_metric, list(one.metric_headings)))
    columns = [f"{metric}{bound}" for metric in metric_headings(runs) for bound in BOUNDS]
    return Differences(
        pd.DataFrame(table, columns=[*PAIR, *columns]), list(unpaired.values()), list(_identical_runs(runs))
    )


def comparison_facts(runs: Sequence[FinishedRun], differing: Sequence[str], differences: Differences) -> dict[str, Any]:
    """Content of comparison.json: which runs, what differs, what has no pairs, and how intervals were drawn."""
    return {
        "runs": {run.label: str(run.path) for run in runs},
        "differing": list(differing),
        "unpaired": differences.unpaired,
        "identical": differences.identical,
        "bootstrap": {"unit": "subject", "draws": NUM_DRAWS, "level": LEVEL, "seed": SEED},
    }


def _score_rows(run: FinishedRun, models: Models) -> Iterator[dict[str, Any]]:
    """Rows of comparison.csv of one run."""
    first = run.tests[0][1]
    for _, row in run.summary.iterrows():
        metrics = [metric for metric in run.metric_headings if metric in row]
        cells = {f"{metric}{end}": row[f"{metric}{end}"] for metric in metrics for end in ("", "_sd")}
        cells |= _au_cells(run, row["algorithm"])
        if row["kind"] == "trained":
            tested = first[first["algorithm"] == row["algorithm"]]
            cells |= {f"num_{column}s": tested[column].nunique() for column in ("repeat", "subject", "clip")}
            by_metric = intervals_of(models[run.label, row["algorithm"]])
            check_scores(run.path, row, by_metric)
            cells |= interval_cells(by_metric, list(run.metric_headings))
        yield {"run": run.label, "algorithm": row["algorithm"], "kind": row["kind"], **cells}


def _au_cells(run: FinishedRun, algorithm: str) -> dict[str, float]:
    """F1 and sd of each action unit, where these are compared."""
    rows = run.au_scores[run.au_scores["algorithm"] == algorithm]
    columns = zip(rows["au"], rows["f1"], rows["f1_sd"], strict=True)
    return {
        f"{au}{end}": value
        for au, f1, sd in columns
        if au in run.metric_headings
        for end, value in (("", f1), ("_sd", sd))
    }


def _one_thing(one: Row, other: Row) -> bool:
    """Whether two rows differ in one thing."""
    (run, title), (other_run, other_title) = one, other
    if run is other_run:
        return title == run.algorithms[0]
    if title == other_title:
        return True
    return other_title in _relatives(other_run, run, title) or title in _relatives(run, other_run, other_title)


def _relatives(run: FinishedRun, other_run: FinishedRun, title: str) -> list[str]:
    """Rows of one run to compare with a row of another run: its namesake, else the most similar ones, else all."""
    if title in run.algorithms:
        return [title]
    identity = [column for column in ("name", "prior", "variant") if column in run.rows and column in other_run.rows]
    row = other_run.rows.set_index("algorithm").loc[title, identity].fillna("")
    same = (run.rows[identity].fillna("") == row.to_numpy()).all(axis=1)
    return run.rows.loc[same, "algorithm"].tolist() or run.algorithms


def _identical_runs(runs: Sequence[FinishedRun]) -> Iterator[str]:
    """A sentence for each two runs whose rows, of the same titles, gave the same predictions."""
    for one, other in combinations(runs, 2):
        if one.algorithms == other.algorithms and all(
            _same_predictions(table, other_table)
            for (_, table), (_, other_table) in zip(one.tests, other.tests, strict=True)
        ):
            yield f"{one.label} and {other.label} are identical: all their rows gave the same predictions."


def _same_predictions(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables hold the same rows, in whatever order, to the last digit."""
    keys = ["algorithm", "repeat", "clip"]
    if set(one) != set(other) or len(one) != len(other):
        return False
    tables = [table.sort_values(keys, ignore_index=True) for table in (one, other[one.columns])]
    return tables[0].equals(tables[1])
