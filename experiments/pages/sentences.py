"""What the numbers of a page mean, in sentences: which rows differ, which is the best, and what each score is."""

from collections.abc import Sequence

import pandas as pd

from experiments.pages.tables import INTERVAL, number, with_interval
from experiments.results import baselines
from experiments.results.intervals import LEVEL, NUM_DRAWS, SEED, Interval
from experiments.results.read import FinishedRun
from experiments.results.sweeps import TESTED_ON, best_row

MOST_ROWS, MOST_CLAUSES = 6, 4
"""Of at most so many rows, at most so many differences are named one by one; otherwise they are counted."""

Compared = tuple[tuple[str, str], Interval]
"""Names of two rows, and the interval of the score of the first less that of the second."""


def differing_rows(differences: pd.DataFrame, names: Sequence[tuple[str, str]], metric: str, heading: str) -> str:
    """Which rows differ beyond the interval of their paired difference; nothing where no two rows were compared.

    Args:
      differences: as differences.csv.
      names: of the two rows of each difference.
      metric: that is compared.
      heading: what the metric is called.

    >>> table = pd.DataFrame({"uf1": [0.0271, 0.01], "uf1_low": [0.001, -0.1], "uf1_high": [0.057, 0.1]})
    >>> differing_rows(table, [("A", "B"), ("A", "C")], "uf1", "UF1").partition(" (")[0]
    'A is above B in UF1 by .027 [.001, .057]; the other interval of a difference contains 0.'
    """
    columns = [metric, f"{metric}_low", f"{metric}_high"]
    pairs = [
        (pair, Interval(*values))
        for pair, values in zip(names, differences[columns].itertuples(index=False), strict=True)
        if not pd.isna(values[1])
    ]
    if not pairs:
        return "" if differences.empty else "Only one subject was tested: no interval says whether rows differ."
    different = sorted((one for one in pairs if one[1].excludes_zero), key=lambda one: -abs(one[1].estimate))
    num_rows = len({name for pair, _ in pairs for name in pair})
    return f"{_verdict(pairs, different, num_rows, heading)} {_comparisons(len(pairs), num_rows)}"


def _verdict(pairs: Sequence[Compared], different: Sequence[Compared], num_rows: int, heading: str) -> str:
    if not different:
        if len(pairs) == 1:
            (((one, other), interval),) = pairs
            return (
                f"{one} and {other} do not differ in {heading}: the interval of their difference, "
                f"{with_interval(*interval)}, contains 0."
            )
        all_pairs = len(pairs) == num_rows * (num_rows - 1) // 2
        nobody = "No two rows differ" if all_pairs else f"None of the {len(pairs)} compared pairs of rows differs"
        return f"{nobody} in {heading}: every interval of a difference contains 0."
    if num_rows > MOST_ROWS or len(different) > MOST_CLAUSES:
        counted = f"{len(different)} of {len(pairs)} compared pairs of rows differ in {heading}"
        return f"{counted}; the largest difference: {_clause(*different[0], '')}."
    clauses = [_clause(*different[0], f" in {heading}"), *(_clause(*one, "") for one in different[1:])]
    others = len(pairs) - len(different)
    rest = {0: "", 1: "; the other interval of a difference contains 0"}.get(
        others, f"; the other {others} intervals of differences contain 0"
    )
    return f"{', '.join(clauses)}{rest}."


def _clause(pair: tuple[str, str], interval: Interval, where: str) -> str:
    estimate, low, high = interval
    above, below = pair
    if estimate < 0:
        above, below, estimate, low, high = below, above, -estimate, -high, -low
    return f"{above} is above {below}{where} by {with_interval(estimate, low, high)}"


def _comparisons(count: int, num_rows: int) -> str:
    if count == 1:
        return f"(1 comparison; {100 * LEVEL:g} % interval by subject.)"
    return (
        f"({count} comparisons of {num_rows} rows; {100 * LEVEL:g} % intervals by subject, not corrected for the "
        "number of comparisons.)"
    )


def best_of_sweep(run: FinishedRun) -> str:
    """Which row of a sweep is the best, and by which score; nothing where nothing was swept or no row has a score."""
    if run.sweep is None or (best := best_row(run.sweep)) is None:
        return ""
    if settings := [name for name in TESTED_ON if name in run.sweep and run.sweep[name].nunique() > 1]:
        several, one = (" and ".join(names) for names in zip(*(TESTED_ON[name] for name in settings), strict=True))
        return f"Rows of different {several} were tested on different data: compare rows of one {one}."
    if best.by_validation:
        return f"Best row by validation UF1: {best.algorithm} ({number(best.score)})."
    return (
        f"Best row by test score, which is optimistic: {best.algorithm} (UF1 {number(best.score)}). With "
        "--validation-share rows are ranked by validation instead."
    )


def limits(run: FinishedRun) -> list[str]:
    """What the numbers of a run mean and what they do not."""
    scored = _detection_limits() if run.predictions is None else _recognition_limits(run)
    intervals = (
        f"In brackets: {INTERVAL}, the percentiles of {NUM_DRAWS:,} draws with seed {SEED}. They say how far a score "
        "depends on who was tested, and nothing about the random numbers of training."
    )
    sentences = [*scored, _spread(run), intervals]
    if len(run.differences):
        sentences.append(
            "Differences are paired: each draw takes the same subjects for both rows. Rows are compared that differ in "
            "one thing, and every row with the first. An interval that contains 0 is no difference; of many intervals "
            "some exclude 0 by chance, as nothing is corrected for their number."
        )
    if run.synthetic:
        sentences.append(
            "Synthetic data: rendered faces stand in for a licensed database. The scores compare methods on this data "
            "and say nothing about real faces."
        )
    return sentences


def _spread(run: FinishedRun) -> str:
    if run.num_repeats == 1:
        return "One repeat: there is no spread, and a difference between rows may be luck."
    return (
        f"± is the standard deviation over {run.num_repeats} repeats (split and initial weights differ), not a "
        "confidence interval."
    )


def _detection_limits() -> list[str]:
    return [
        "Validation subjects were not trained on, and nothing was chosen by their scores: the number of epochs is "
        "fixed.",
        "Detected: probability above 0.5. Only examples in which an AU is labelled count for it; “-” where it neither "
        "occurs nor is detected. The mean is over the other AUs.",
        f"“{baselines.ALL_PRESENT}” is the answer that needs no detector. An AU below it was not learned.",
    ]


def _recognition_limits(run: FinishedRun) -> list[str]:
    sentences = [
        f"UF1 and UAR follow MEGC 2019: computed from all test predictions of a repeat, pooled over {run.part}s. Their "
        f"mean over {run.part}s is another number.",
        _when_tested(run),
        "Majority class: always the most frequent class of the training split. Chance: expected score of a uniformly "
        "random class per example and of a fair coin per action unit.",
    ]
    if run.summary["algorithm"].str.startswith(baselines.AU_SET_ORACLE).any():
        sentences.append(
            "AU-set oracle: for each set of annotated action units the class that is most frequent with it among the "
            "very examples that a repeat tests. No classifier of action units alone can be more accurate on them."
        )
    split = run.settings.get("split")
    if split == "examples":
        sentences.append(
            "Split by example: clips of one subject are in training and in test, as published. The scores overestimate "
            "what a new person would get."
        )
    elif split == "subjects":
        sentences.append("Split by subject: nobody is in the training and the test split of a repeat.")
    elif run.part == "fold":
        sentences.append("Nobody is in two of the training, validation and test examples of a fold.")
    return sentences


def _when_tested(run: FinishedRun) -> str:
    if run.settings.get("select"):
        return f"Test examples were scored once, by the {run.unit} with the best validation UF1."
    return f"Scores are those of the last {run.unit}; no {run.unit} was chosen by its test score."
