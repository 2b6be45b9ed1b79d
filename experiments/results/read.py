"""Finished runs, read to be compared: which can be, and in what they differ."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.pages import pretraining as pretrain_report
from experiments.pages import report
from experiments.results import damage
from experiments.results import scores as results
from experiments.results.measures import ACTION_UNITS, EMOTIONS, MEAN_AU_F1, Measure
from experiments.results.pretrain_results import EVERYWHERE
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder

RECOGNITION, DETECTION, COORDINATION = "emotions", "action units", "pairs of action units"
KINDS = {
    **dict.fromkeys(("fed", "mer", "ablate"), RECOGNITION),
    "pretrain": DETECTION,
    "coordination": COORDINATION,
}
"""What the runs of each experiment are about: only those of one kind have something to compare."""
PROTOCOL = ("protocol", "folds", "classes", "split", "train_share", "validation_share", "clients", "repeats", "seed")
"""Settings that decide who is trained and tested on; a run that lacks one has ``None`` there."""
WAY = "how predictions are pooled"
"""Federations and cross-validations have other settings: where these differ, no setting is named."""
PROGRESS = {"rounds": "round", "epochs": "epoch"}
"""Settings that say how long a run trains, and the column of metrics.csv that says how far it got."""


@dataclass(frozen=True)
class Finished:
    """A finished run and what it is compared by.

    Attributes:
      label: how it is called.
      path: its folder.
      protocol: what runs must share: the data, the settings of ``PROTOCOL``, and the tested clips.
      synthetic: whether some of its data are.
      shown: metrics that are compared, and their headings.
      summary: a row for each algorithm and baseline: kind, and metrics with their sd.
      tests: tables of predictions of what was trained, each with what it is measured by.
      metrics: as metrics.csv.
    """

    label: str
    path: Path
    protocol: Mapping[str, Any]
    synthetic: bool
    shown: Mapping[str, str]
    summary: pd.DataFrame
    tests: Sequence[tuple[Measure, pd.DataFrame]]
    metrics: pd.DataFrame

    @property
    def algorithms(self) -> list[str]:
        """Names of what was trained."""
        return list(self.tests[0][1]["algorithm"].unique())

    def tested(self, algorithm: str) -> list[tuple[Measure, pd.DataFrame]]:
        """Predictions of one algorithm."""
        return [(measure, table[table["algorithm"] == algorithm]) for measure, table in self.tests]


def opened(paths: Sequence[Path]) -> dict[str, RunFolder]:
    """Folders of runs by what they are called.

    Raises:
      ValueError, OSError: one is named twice, or is no run; the sentence names it.
    """
    if not paths:
        raise ValueError("name at least one run folder: python -m experiments.compare RUN [RUN ...]")
    places = [path.resolve() for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise ValueError(f"{paths[number]} is named twice: name each run once")
    names = [place.name for place in places]
    labels = names if len(set(names)) == len(names) else [str(path) for path in paths]
    return {label: _opened(path) for label, path in zip(labels, paths, strict=True)}


def kind_of(folders: Mapping[str, RunFolder]) -> str:
    """What all these runs are about.

    Raises:
      ValueError: not all about the same, or one of an experiment that is not compared.
    """
    kinds: dict[str, list[str]] = {}
    for label, folder in folders.items():
        experiment = experiment_of(folder)
        if experiment not in KINDS:
            raise ValueError(
                f"{folder.path}/config.json is of experiments.{experiment}: runs of {', '.join(KINDS)} can be compared"
            )
        kinds.setdefault(KINDS[experiment], []).append(f"{label} (experiments.{experiment})")
    if len(kinds) > 1:
        groups = " and ".join(f"{kind} in {', '.join(labels)}" for kind, labels in kinds.items())
        raise ValueError(f"the runs have nothing in common to compare: they are about {groups}; compare them apart")
    return next(iter(kinds))


def experiment_of(folder: RunFolder) -> str:
    """Name of the experiment that wrote a folder.

    Raises:
      ValueError: its config.json does not say.
    """
    config = folder.read_json("config.json")
    if not isinstance(config, dict) or not isinstance(config.get("settings"), dict) or "experiment" not in config:
        raise ValueError(f"{folder.path}/config.json names no experiment and its settings; restore it, or run again")
    return str(config["experiment"])


def read(label: str, folder: RunFolder) -> Finished:
    """Read a run of recognition or of detection.

    Raises:
      ValueError, OSError: it is not finished, or a file of it is damaged; the sentence names it.
    """
    if not folder.has("summary.csv"):
        raise ValueError(f"{folder.path} is not finished: {go_on(folder)}")
    try:
        finished = (of_detection if KINDS[experiment_of(folder)] == DETECTION else of_recognition)(label, folder)
        damage.check_summary(folder, finished.summary, finished.algorithms, list(finished.shown))
        return finished
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder.path}: its files are not those of a finished run ({error}); run it again") from None


def of_recognition(label: str, folder: RunFolder) -> Finished:
    """Read a run of experiments.fed, mer or ablate."""
    run = report.read(folder)
    for setting, column in PROGRESS.items():
        wanted = run.config["settings"].get(setting)
        if (
            wanted
            and column in run.metrics
            and (done := int(run.metrics[column].max() if len(run.metrics) else 0)) < wanted
        ):
            raise ValueError(f"{folder.path} is not finished ({done} of {wanted} {setting}): {go_on(folder)}")
    damage.check_predictions(folder, "predictions.csv", run.predictions, results.class_names(run.predictions))
    tests = [(EMOTIONS, run.predictions)]
    if run.au_predictions is not None:
        damage.check_predictions(folder, "au_predictions.csv", run.au_predictions)
        tests.append((ACTION_UNITS, run.au_predictions))
    protocol = {
        "data": _named(run.data),
        WAY: f"over {run.part}s",
        "the list of classes": " ".join(run.data["class_counts"]),
        **_chosen(run.config),
        "the set of tested clips": _tested(run.predictions, ["label"]),
    }
    return Finished(label, folder.path, protocol, run.synthetic, results.METRICS, run.summary, tests, run.metrics)


def of_detection(label: str, folder: RunFolder) -> Finished:
    """Read a run of experiments.pretrain."""
    run, table = pretrain_report.read(folder), folder.read_table("au_predictions.csv")
    damage.check_predictions(folder, "au_predictions.csv", table)
    names = results.au_names(table)
    shown = {MEAN_AU_F1: "mean F1", **{name: name for name in names}}
    detectors = table[table["algorithm"] != EVERYWHERE]
    kinds = np.where(run.summary["algorithm"] == EVERYWHERE, "baseline", "trained")
    each = [_of_aus(run.scores[run.scores["algorithm"] == name]) for name in run.summary["algorithm"]]
    summary = pd.concat([run.summary.assign(kind=kinds), pd.DataFrame(each)], axis=1)
    protocol = {
        "data": ", ".join(_named(one) for one in run.databases),
        **_chosen(run.config),
        "the set of validated clips": _tested(table, ACTION_UNITS.columns(names)),
    }
    return Finished(
        label, folder.path, protocol, run.synthetic, shown, summary, [(ACTION_UNITS, detectors)], run.metrics
    )


def what_differs(protocols: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Each fact of data and protocol in which the runs differ, with its values and whose they are.

    Args:
      protocols: by the label of each run.

    Returns:
      Phrases such as ``seed is 0 in a, c and 1 in b``; none where the runs can be compared.
    """
    phrases = []
    one_way = len({facts.get(WAY) for facts in protocols.values()}) == 1
    for fact in next(iter(protocols.values())):
        if fact in PROTOCOL and not one_way:
            continue
        owners: dict[str, list[str]] = {}
        for label, facts in protocols.items():
            owners.setdefault(str(facts[fact]), []).append(label)
        if len(owners) > 1:
            phrases.append(
                f"{fact} is " + " and ".join(f"{value} in {', '.join(labels)}" for value, labels in owners.items())
            )
    return phrases


def go_on(folder: RunFolder) -> str:
    """What to do about a run that is not finished."""
    command = f"python -m experiments.{experiment_of(folder)} --resume={folder.path}"
    return f"let it end, go on with `{command}`, or leave it out"


def _opened(path: Path) -> RunFolder:
    folder = runfolder.existing(path)
    if not folder.has("config.json"):
        raise ValueError(f"{path} is no run folder: it has no config.json; give folders that an experiment wrote")
    return folder


def _named(data: Mapping[str, Any]) -> str:
    return f"{data['name']} with fingerprint {data['fingerprint'][:12]}"


def _of_aus(scores: pd.DataFrame) -> dict[str, float]:
    f1, sd = (dict(zip(scores["au"], scores[column], strict=True)) for column in ("f1", "f1_sd"))
    return f1 | {f"{name}_sd": value for name, value in sd.items()}


def _chosen(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: config["settings"].get(name) for name in PROTOCOL}


def _tested(predictions: pd.DataFrame, columns: Sequence[str]) -> str:
    tested = predictions[["repeat", "clip", *columns]].drop_duplicates().sort_values(["repeat", "clip"])
    digest = hashlib.sha256(tested.to_csv(index=False).encode()).hexdigest()
    return f"{len(tested)} with fingerprint {digest[:12]}"
