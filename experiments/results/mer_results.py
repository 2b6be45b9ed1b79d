"""What a cross-validation leaves behind: its facts before training; predictions, scores and report after it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich.console import Console
from scipy.special import expit as sigmoid
from scipy.special import softmax

from data.dataset import Dataset
from experiments.pages import report, tables
from experiments.results import baselines, interval_tables
from experiments.results import schema as records
from experiments.results import scores as results
from experiments.results.interval_tables import Intervals
from experiments.run import starting
from experiments.run.folder import RunFolder
from experiments.training.chunks import Finished
from fedpsyau_jax.splits.folds import Fold
from fedpsyau_jax.types import Float

PART = "fold"


class Scores(NamedTuple):
    """Rows of predictions.csv and summary.csv, and the intervals of the pooled scores of each algorithm."""

    emotions: pd.DataFrame
    summary: pd.DataFrame
    intervals: Intervals


def begin(folder: RunFolder, dataset: Dataset, repeats: Sequence[Sequence[Fold]]) -> None:
    """Write what the run depends on; in a resumed run, see that it is still the same.

    Raises:
      ValueError: the data is not that of the interrupted run.
    """
    labels = np.asarray(dataset.examples.emotion)
    splits = [
        records.client_split(
            {"repeat": repeat, PART: fold.name},
            np.unique(dataset.subject[fold.test]).tolist(),
            labels[fold.train],
            labels[fold.test],
            dataset.class_names,
        )
        | {"num_validation": len(fold.validation)}
        for repeat, folds in enumerate(repeats)
        for fold in folds
    ]
    starting.write_facts(folder, dataset, splits)


def conclude(
    folder: RunFolder,
    dataset: Dataset,
    finished: Sequence[Finished],
    au_probabilities: Float[np.ndarray, "detectors examples aus"] | None,
) -> Scores:
    """Write predictions and scores.

    Args:
      folder: of the run.
      dataset: what was recognised.
      finished: all trials, ordered by algorithm, repeat and fold.
      au_probabilities: of frozen detectors; None where the trained networks detect action units themselves.
    """
    emotions = pd.concat([emotion_rows(dataset, trial) for trial in finished], ignore_index=True)
    aus = pd.concat([au_rows(dataset, trial, au_probabilities) for trial in finished], ignore_index=True)
    folder.write_table("metrics.csv", epoch_rows(finished))
    folder.write_table("predictions.csv", emotions)
    folder.write_table("au_predictions.csv", aus)
    scored = interval_tables.scored(emotions, aus)
    folder.write_table("intervals.csv", interval_tables.interval_rows(scored.pooled))
    folder.write_table("class_scores.csv", scored.classes)
    folder.write_table("au_scores.csv", scored.aus)
    splits = folder.read_table("clients.csv")
    summary = results.summarise(
        [
            results.score_repeats(emotions, aus, part=PART),
            baselines.majority(emotions, splits, part=PART, trained_on=("repeat", PART)),
            baselines.chance(emotions, aus, part=PART),
            baselines.au_set_oracle(dataset.examples, dataset.class_names),
        ]
    )
    folder.write_table("summary.csv", summary)
    return Scores(emotions, summary, scored.pooled)


def show(scores: Scores, folder: RunFolder, console: Console, *, synthetic: bool) -> None:
    """Write the report and print the table."""
    page = report.write(folder)
    console.print(tables.terminal_table(scores.summary, synthetic=synthetic))
    for name, by_metric in scores.intervals.items():
        shown = ", ".join(
            f"{results.METRICS[metric]} {tables.with_interval(*interval)}" for metric, interval in by_metric.items()
        )
        console.print(f"{name}, 95 % bootstrap interval by subject: {shown}", soft_wrap=True, highlight=False)
    console.print(f"Report: {page}", soft_wrap=True)


def emotion_rows(dataset: Dataset, finished: Finished) -> pd.DataFrame:
    """Rows of predictions.csv of one trial."""
    test = finished.trial.fold.test
    probabilities = softmax(finished.logits["emotion"].astype(np.float64), axis=-1)
    labels = np.asarray(dataset.examples.emotion)[test]
    who = (_keys(finished), dataset.clip[test], dataset.subject[test])
    return records.class_predictions(*who, labels, probabilities, dataset.class_names)


def au_rows(
    dataset: Dataset, finished: Finished, au_probabilities: Float[np.ndarray, "detectors examples aus"] | None
) -> pd.DataFrame:
    """Rows of au_predictions.csv of one trial."""
    test, which = finished.trial.fold.test, finished.trial.detector
    detected = sigmoid(finished.logits["au"]) if au_probabilities is None else au_probabilities[which, test]
    labels, mask = (np.asarray(table)[test] for table in (dataset.examples.au, dataset.examples.au_mask))
    who = (_keys(finished), dataset.clip[test], dataset.subject[test])
    return records.au_predictions(*who, labels, mask, detected, dataset.au_names)


def epoch_rows(finished: Sequence[Finished]) -> pd.DataFrame:
    """Content of metrics.csv: training loss and, where there is validation, its scores, after each epoch.

    Scores of test examples are not in it: they are tested once, at the end.
    """
    first = finished[0].history
    num_epochs = len(first["loss_sum"])
    algorithms = list(dict.fromkeys(trial.trial.algorithm for trial in finished))
    num_repeats = max(trial.trial.repeat for trial in finished) + 1
    folds = [trial.trial for trial in finished if (trial.trial.algorithm, trial.trial.repeat) == (algorithms[0], 0)]
    shape = (len(algorithms), num_repeats, len(folds))
    history = {name: np.stack([trial.history[name] for trial in finished], axis=1) for name in first}
    by_axis = {name: values.reshape(num_epochs, *shape, *values.shape[2:]) for name, values in history.items()}
    nothing = np.zeros((num_epochs, *shape, 1, 1), int)
    rows = [
        records.round_metrics(
            epoch + 1,
            algorithms,
            [trial.fold.name for trial in folds],
            train_loss_sum=by_axis["loss_sum"][epoch],
            num_train=by_axis["num_examples"][epoch],
            test_loss_sum=np.zeros(shape),
            confusion=by_axis.get("validation", nothing)[epoch],
        )
        for epoch in range(num_epochs)
    ]
    renamed = {"round": "epoch", "client": PART, "num_test": "num_validation"}
    return pd.concat(rows, ignore_index=True).drop(columns="test_loss").rename(columns=renamed)


def _keys(finished: Finished) -> dict[str, str | int]:
    trial = finished.trial
    return {"algorithm": trial.algorithm, "repeat": trial.repeat, PART: trial.fold.name}
