"""The score tables of a run folder, made from its predictions when training has ended."""

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.results import baselines, gains, parts, schema, scores, sweeps
from experiments.results.differences import comparable_pairs, difference_table, intervals_of
from experiments.results.intervals import NUM_DRAWS, BootstrapScores, Interval, bootstrap, score_intervals
from experiments.results.measures import ACTION_UNITS, CLASSES, EMOTIONS, class_score_name
from experiments.results.sweeps import TestedRows
from experiments.run.folder import RunFolder

CLASS_SCORES = ("f1", "recall")


def conclude(
    folder: RunFolder, emotions: pd.DataFrame | None, aus: pd.DataFrame, *, num_draws: int = NUM_DRAWS
) -> None:
    """Write the predictions and everything that follows from them; summary.csv comes last.

    Args:
        folder: of the run, with its config.json, data.json, rows.csv, splits.csv and metrics.csv.
        emotions: rows of predictions.csv, of the rows of the table that are trained, all of them unless the run was
            interrupted; None where only action units are detected.
        aus: rows of au_predictions.csv, of the same examples.
        num_draws: bootstrap draws of the intervals.

    Raises:
        ValueError: a file of the folder is missing or broken.
        OSError: a file cannot be written.
    """
    all_rows = folder.read_table("rows.csv")
    rows = all_rows[all_rows["algorithm"].isin(aus["algorithm"])]
    if emotions is not None:
        folder.write_table("predictions.csv", emotions)
        folder.write_table("class_scores.csv", class_scores(emotions, num_draws))
    folder.write_table("au_predictions.csv", aus)
    models = bootstrap_rows(rows["algorithm"].tolist(), emotions, aus, num_draws)
    with_baseline = aus if emotions is not None else pd.concat([aus, baselines.all_present(aus)])
    folder.write_table("au_scores.csv", au_scores(with_baseline, models, num_draws))
    metrics = [metric for metric in scores.METRICS if emotions is not None or metric == "au_f1"]
    intervals = interval_table(models, metrics)
    folder.write_table("intervals.csv", intervals)
    differences = difference_table(comparable_pairs(rows), models, metrics)
    folder.write_table("differences.csv", differences)
    summary = summary_table(folder, emotions, aus)
    if emotions is not None:
        _write_part_scores(folder, emotions, aus, num_draws)
    if sweeps.swept_settings(all_rows):
        select = bool(folder.read_json("config.json")["settings"].get("select"))
        table = sweeps.sweep_table(rows, summary, intervals, folder.read_table("metrics.csv"), select=select)
        folder.write_table("sweep.csv", table)
        if len(by_shift := gains.gains(rows, differences)):
            folder.write_table(gains.FILE, by_shift)
    folder.write_table("summary.csv", summary)


def _write_part_scores(folder: RunFolder, emotions: pd.DataFrame, aus: pd.DataFrame, num_draws: int) -> None:
    part = folder.read_facts("data.json", *schema.RUN_FACTS)["part"]
    if columns := parts.parts_of(emotions, part):
        splits = folder.read_table("splits.csv")
        tables = []
        for own in _tested(folder, aus):
            both = own.predictions(emotions), own.predictions(aus)
            tables.append(_with_ending(parts.part_table(*both, own.splits(splits), columns, num_draws), own))
        folder.write_table(parts.FILE, pd.concat(tables, ignore_index=True))


def summary_table(folder: RunFolder, emotions: pd.DataFrame | None, aus: pd.DataFrame) -> pd.DataFrame:
    """Content of summary.csv: each row of the table, then the baselines of those that were tested on the same."""
    part = folder.read_facts("data.json", *schema.RUN_FACTS)["part"]
    if emotions is None:
        everywhere = scores.score_repeats(None, baselines.all_present(aus), part=part, kind="baseline")
        return scores.summarise([scores.score_repeats(None, aus, part=part), everywhere])
    splits = folder.read_table("splits.csv")
    tables = [scores.score_repeats(emotions, aus, part=part)]
    for own in _tested(folder, aus):
        both = own.predictions(emotions), own.predictions(aus)
        beaten = [baselines.majority(both[0], own.splits(splits), part=part), baselines.chance(*both, part=part)]
        if baselines.any_au_annotated(both[1]):
            beaten.append(baselines.au_set_oracle(*both, part=part))
        tables += [_with_ending(table, own) for table in beaten]
    return scores.summarise(tables)


def _tested(folder: RunFolder, aus: pd.DataFrame) -> list[TestedRows]:
    """The rows that are trained, by what they were tested on."""
    rows = folder.read_table("rows.csv")
    return sweeps.tested_rows(rows[rows["algorithm"].isin(aus["algorithm"])])


def _with_ending(table: pd.DataFrame, tested: TestedRows) -> pd.DataFrame:
    """A table whose baselines say what they were tested on, as rows of the run do."""
    baseline = table["kind"] == "baseline"
    return table.assign(algorithm=table["algorithm"].where(~baseline, table["algorithm"] + tested.ending))


def bootstrap_rows(
    algorithms: Sequence[str], emotions: pd.DataFrame | None, aus: pd.DataFrame, num_draws: int = NUM_DRAWS
) -> dict[str, list[BootstrapScores]]:
    """What each row of the table is scored by, with its bootstrap draws, by its title."""
    tables = [(ACTION_UNITS, aus)] if emotions is None else [(EMOTIONS, emotions), (ACTION_UNITS, aus)]
    grouped = [(measure, dict(iter(table.groupby("algorithm", sort=False)))) for measure, table in tables]
    return {
        algorithm: [bootstrap(groups[algorithm], measure, num_draws=num_draws) for measure, groups in grouped]
        for algorithm in algorithms
    }


def interval_table(models: Mapping[str, Sequence[BootstrapScores]], metrics: Sequence[str]) -> pd.DataFrame:
    """Content of intervals.csv: algorithm, metric, estimate, low, high of the pooled scores."""
    return pd.DataFrame(
        [
            {"algorithm": algorithm, "metric": metric, **by_metric[metric]._asdict()}
            for algorithm, model in models.items()
            for by_metric in [intervals_of(model)]
            for metric in metrics
        ]
    )


def class_scores(emotions: pd.DataFrame, num_draws: int = NUM_DRAWS) -> pd.DataFrame:
    """Content of class_scores.csv: F1 and recall of each class, with their sd over repeats and their intervals."""
    table = scores.score_classes(emotions)
    by_algorithm = {
        algorithm: score_intervals(rows, CLASSES, num_draws=num_draws)
        for algorithm, rows in emotions.groupby("algorithm", sort=False)
    }
    for score in CLASS_SCORES:
        keys = zip(table["algorithm"], table["class"], strict=True)
        intervals = [by_algorithm[algorithm][class_score_name(score, name)] for algorithm, name in keys]
        table = _with_bounds(table, score, intervals)
    return table


def au_scores(
    aus: pd.DataFrame, models: Mapping[str, Sequence[BootstrapScores]], num_draws: int = NUM_DRAWS
) -> pd.DataFrame:
    """Content of au_scores.csv: F1 of each action unit, with its sd over repeats and its interval.

    Args:
        aus: as au_predictions.csv.
        models: what some of the algorithms are scored by already, by title.
        num_draws: bootstrap draws of the others.
    """
    table = scores.score_aus(aus)
    by_algorithm = {
        algorithm: intervals_of(models[str(algorithm)])
        if algorithm in models
        else score_intervals(rows, ACTION_UNITS, num_draws=num_draws)
        for algorithm, rows in aus.groupby("algorithm", sort=False)
    }
    intervals = [by_algorithm[key][au] for key, au in zip(table["algorithm"], table["au"], strict=True)]
    return _with_bounds(table, "f1", intervals)


def _with_bounds(table: pd.DataFrame, score: str, intervals: Sequence[Interval]) -> pd.DataFrame:
    bounds = {f"{score}_low": [one.low for one in intervals], f"{score}_high": [one.high for one in intervals]}
    return table.assign(**bounds)
