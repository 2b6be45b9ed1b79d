"""Training of a comparison, round by round, with everything written down; what it shows at the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import jax
import numpy as np
import pandas as pd
from rich.console import Console
from scipy.special import expit as sigmoid
from scipy.special import log_softmax

from data.dataset import Dataset
from experiments.inputs.configs import FedSettings
from experiments.pages import report, tables
from experiments.results import baselines
from experiments.results import schema as records
from experiments.results import scores as results
from experiments.run import commandline, starting
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training.federation import Federation, Program, compiled
from experiments.training.tasks import Task
from fedpsyau_jax.checkpoint import Checkpoints, open_checkpoints
from fedpsyau_jax.federated import FedState
from fedpsyau_jax.metrics import confusion_counts
from fedpsyau_jax.synthesis.emotions import EMOTIONS, au_set_oracle
from fedpsyau_jax.types import Metrics, PyTree

Evaluations = list[dict[str, np.ndarray]]
"""For each federation its predictions of one round: logits [rows, repeats, clients, test examples, ...]."""


@dataclass
class Outcome:
    """How far training got.

    Attributes:
      rounds: rounds done, all their losses and weights finite.
      evaluations: test predictions after the last of them.
      problem: why training stopped early, if something went wrong.
    """

    rounds: int = 0
    evaluations: Evaluations = field(default_factory=list)
    problem: str | None = None


@dataclass(frozen=True)
class Experiment:
    """A comparison: settings, data, who trains on what, and where results go."""

    settings: FedSettings
    folder: RunFolder
    dataset: Dataset
    federations: list[Federation]

    def begin(self) -> None:
        """Write what the run depends on; in a resumed run, see that it is still the same.

        Raises:
          ValueError: the data is not that of the interrupted run.
        """
        data, labels = self.dataset, np.asarray(self.dataset.examples.emotion)
        rows = [
            records.client_split(
                {"repeat": repeat, "client": number},
                client.subjects,
                labels[client.train],
                labels[client.test],
                data.class_names,
            )
            for repeat, clients in enumerate(self.federations[0].splits)
            for number, client in enumerate(clients)
        ]
        starting.write_facts(self.folder, data, rows)


Programs = Callable[[PyTree], list[Program]]
"""The program of each federation, for a store of examples."""


def programs_of(experiment: Experiment, task: Task) -> Programs:
    """Compile what ``train`` wants, for a store of examples of the shapes of the task's own."""
    on = [compiled(experiment.settings, federation, task) for federation in experiment.federations]
    return lambda store: [program(store) for program in on]


def train(experiment: Experiment, programs: list[Program], stages: Stages) -> Outcome:
    """Train all rounds that are not done yet, or until Ctrl-C; what is done is written down round by round."""
    settings = experiment.settings
    with open_checkpoints(experiment.folder.checkpoints) as checkpoints:
        states, outcome = start(experiment, programs, checkpoints)
        done = outcome.rounds
        with (
            stages.stage("training", total=settings.rounds, done=done, unit="round") as stage,
            commandline.stopping_gently(stage.stopping) as stop,
        ):
            saved, saved_round = (stage.elapsed if done else -np.inf), done
            while outcome.rounds < settings.rounds and not stop.asked and not outcome.problem:
                steps = [program.round(state) for program, state in zip(programs, states, strict=True)]
                loss = record_round(experiment, outcome, [jax.device_get(metrics) for _, metrics in steps])
                if not outcome.problem:
                    states = [state for state, _ in steps]
                    stage.advance(loss=loss)
                due = stage.elapsed - saved > settings.checkpoint_seconds
                last = stop.asked or outcome.rounds == settings.rounds or outcome.problem
                if outcome.rounds > saved_round and (due or last):
                    checkpoints.save(outcome.rounds, (states, outcome.evaluations))
                    saved, saved_round = stage.elapsed, outcome.rounds
    return outcome


def start(experiment: Experiment, programs: list[Program], checkpoints: Checkpoints) -> tuple[list[FedState], Outcome]:
    """The state to go on from: that of the last good checkpoint, or a new one."""
    like = ([program.like for program in programs], [program.evaluation for program in programs])
    if (found := starting.restored(checkpoints, like, unit="round")) is None:
        return [program.init() for program in programs], Outcome()
    rounds, (states, evaluations) = found
    return states, Outcome(rounds, jax.device_get(evaluations))


def record_round(experiment: Experiment, outcome: Outcome, metrics: list[Metrics]) -> float:
    """Append a round to metrics.csv and to the outcome, unless something in it is not finite.

    Returns:
      The mean training loss, to show.
    """
    number = outcome.rounds + 1
    pairs = list(zip(experiment.federations, metrics, strict=True))
    for federation, counts in pairs:
        if np.any(counts["diverged"]):
            row, repeat, client = np.argwhere(counts["diverged"])[0]
            outcome.problem = (
                f"the loss or a weight of {federation.titles[row]}, repeat {repeat}, client "
                f"{federation.names[client]}, was not finite in round {number}; training stopped there, and "
                f"{experiment.folder.path} keeps what was good before; a smaller --learning-rate usually helps"
            )
            return float("nan")
    rows = pd.concat([round_rows(experiment, federation, counts, number) for federation, counts in pairs])
    if number > 1:
        history = experiment.folder.read_table("metrics.csv")
        rows = pd.concat([history[history["round"] < number], rows])
    experiment.folder.write_table("metrics.csv", rows)
    outcome.rounds, outcome.evaluations = number, [cast(Any, counts["evaluation"]) for _, counts in pairs]
    now = rows[(rows["round"] == number) & (rows["client"] == records.POOLED)]
    return float(now["train_loss"].mean())


def round_rows(experiment: Experiment, federation: Federation, counts: Metrics, number: int) -> pd.DataFrame:
    """Rows of metrics.csv of one federation and round."""
    logits = counts["evaluation"]["emotion"]
    shape, num_classes = logits.shape[:3], logits.shape[-1]
    confusion = np.zeros((*shape, num_classes, num_classes), np.int64)
    test_loss = np.zeros(shape)
    for where in np.ndindex(shape):
        _, repeat, client = where
        test = federation.splits[repeat][client].test
        scores, labels = logits[where][: len(test)], experiment.dataset.examples.emotion[test]
        confusion[where] = confusion_counts(labels, scores.argmax(-1), num_classes)
        test_loss[where] = -log_softmax(scores.astype(np.float64), axis=-1)[np.arange(len(test)), labels].sum()
    return records.round_metrics(
        number,
        federation.titles,
        federation.names,
        train_loss_sum=np.asarray(counts["loss_sum"]),
        num_train=np.asarray(counts["num_examples"]),
        test_loss_sum=test_loss,
        confusion=confusion,
    )


def conclude(experiment: Experiment, outcome: Outcome, au_probabilities: np.ndarray, console: Console) -> None:
    """Write predictions, summary and report of the rounds that are done, and show the table.

    Args:
      experiment: what was run.
      outcome: how far it got; nothing is written after no round at all.
      au_probabilities: [detectors * examples, aus] of frozen detectors, where the clients' own networks give none.
      console: where the table goes.
    """
    if not outcome.rounds:
        return
    folder, dataset = experiment.folder, experiment.dataset
    tables_ = [
        predictions(experiment, federation, evaluation, au_probabilities)
        for federation, evaluation in zip(experiment.federations, outcome.evaluations, strict=True)
    ]
    emotions, aus = (pd.concat(parts, ignore_index=True) for parts in zip(*tables_, strict=True))
    folder.write_table("predictions.csv", emotions)
    folder.write_table("au_predictions.csv", aus)
    parts = [
        results.score_repeats(emotions, aus),
        baselines.majority(emotions, folder.read_table("clients.csv")),
        baselines.chance(emotions, aus),
    ]
    if dataset.synthetic and dataset.class_names == EMOTIONS:
        oracle = au_set_oracle()
        parts.append(results.reference("AU-set oracle", oracle._asdict()))
    summary = results.summarise(parts)
    folder.write_table("summary.csv", summary)
    page = report.write(folder)
    console.print(tables.terminal_table(summary, synthetic=dataset.synthetic))
    console.print(f"Rounds done: {outcome.rounds} of {experiment.settings.rounds}. Report: {page}", soft_wrap=True)


def predictions(
    experiment: Experiment, federation: Federation, evaluation: dict[str, np.ndarray], au_probabilities: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of predictions.csv and au_predictions.csv of one federation; ``client`` is who owns the example."""
    data, emotions, aus = experiment.dataset, [], []
    begins = np.tile([begin for _, begin in federation.runs], len(federation.algorithms))
    begins = begins.reshape(len(federation.titles), len(federation.splits))
    for row, repeat, client in np.ndindex(evaluation["emotion"].shape[:3]):
        test = federation.splits[repeat][client].test
        scores = np.exp(
            log_softmax(evaluation["emotion"][row, repeat, client, : len(test)].astype(np.float64), axis=-1)
        )
        if "au" in evaluation:
            detected = sigmoid(evaluation["au"][row, repeat, client, : len(test)])
        else:
            detected = au_probabilities[begins[row, repeat] + test]
        owners = {e: k for k, own in enumerate(experiment.federations[0].splits[repeat]) for e in own.test}
        owner = np.array([owners[example] if federation.names == ("all",) else client for example in test])
        for name in np.unique(owner):
            keys = {"algorithm": federation.titles[row], "repeat": repeat, "client": str(name)}
            mine, own = owner == name, test[owner == name]
            who = (keys, data.clip[own], data.subject[own])
            labels = np.asarray(data.examples.emotion)[own]
            emotions.append(records.class_predictions(*who, labels, scores[mine], data.class_names))
            au, au_mask = (np.asarray(table)[own] for table in (data.examples.au, data.examples.au_mask))
            aus.append(records.au_predictions(*who, au, au_mask, detected[mine], data.au_names))
    return pd.concat(emotions), pd.concat(aus)
