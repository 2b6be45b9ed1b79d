"""Finished runs, read to be compared: which can be, and in what they differ."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments import report, runfolder
from experiments.runfolder import RunFolder

PROTOCOL = ("protocol", "folds", "classes", "split", "train_share", "validation_share", "clients", "repeats", "seed")
"""Settings that decide who is trained and tested on; a run that lacks one has ``None`` there."""
PROGRESS = {"rounds": "round", "epochs": "epoch"}
"""Settings that say how long a run trains, and the column of metrics.csv that says how far it got."""
WITHOUT_EMOTIONS = ("pretrain", "coordination")
"""Experiments whose runs have no predictions of emotions."""


@dataclass(frozen=True)
class Finished:
    """A finished run and how it is called."""

    label: str
    path: Path
    run: report.Run

    @property
    def algorithms(self) -> list[str]:
        """Names of what was trained."""
        return list(self.run.predictions["algorithm"].unique())

    def predictions(self, algorithm: str) -> pd.DataFrame:
        """Rows of predictions.csv of one algorithm."""
        return self.run.predictions[self.run.predictions["algorithm"] == algorithm]


def read(paths: Sequence[Path]) -> list[Finished]:
    """Read runs.

    Raises:
      ValueError, OSError: one is named twice, is no run, or is not finished; the sentence names it.
    """
    if not paths:
        raise ValueError("name at least one run folder: python -m experiments.compare RUN [RUN ...]")
    places = [path.resolve() for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise ValueError(f"{paths[number]} is named twice: name each run once")
    names = [place.name for place in places]
    labels = names if len(set(names)) == len(names) else [str(path) for path in paths]
    return [Finished(label, path, read_finished(path)) for label, path in zip(labels, paths, strict=True)]


def read_finished(path: Path) -> report.Run:
    """Read one run.

    Raises:
      ValueError, OSError: it is no run, or not finished.
    """
    folder = runfolder.existing(path)
    if not folder.has("config.json"):
        raise ValueError(f"{path} is no run folder: it has no config.json; give folders that an experiment wrote")
    if (experiment := folder.read_json("config.json").get("experiment")) in WITHOUT_EMOTIONS:
        raise ValueError(
            f"{path} is a run of experiments.{experiment}, which recognises no emotions: there is nothing to compare; "
            "its own report.html has its scores"
        )
    if not folder.has("summary.csv"):
        raise ValueError(f"{path} is not finished: {_go_on(folder)}")
    run = report.read(folder)
    for setting, column in PROGRESS.items():
        wanted = run.config["settings"].get(setting)
        if wanted and column in run.metrics and (done := int(run.metrics[column].max())) < wanted:
            raise ValueError(f"{path} is not finished ({done} of {wanted} {setting}): {_go_on(folder)}")
    return run


def what_differs(runs: Sequence[Finished]) -> list[str]:
    """Each fact of data and protocol in which the runs differ, with its values and whose they are.

    Returns:
      Phrases such as ``seed is 0 in a, c and 1 in b``; none where the runs can be compared.
    """
    protocols = {finished.label: protocol(finished.run) for finished in runs}
    phrases = []
    for fact in next(iter(protocols.values())):
        owners: dict[str, list[str]] = {}
        for label, facts in protocols.items():
            owners.setdefault(str(facts[fact]), []).append(label)
        if len(owners) > 1:
            phrases.append(
                f"{fact} is " + " and ".join(f"{value} in {', '.join(labels)}" for value, labels in owners.items())
            )
    return phrases


def protocol(run: report.Run) -> dict[str, Any]:
    """What runs must share: the data, the settings of ``PROTOCOL``, and the clips that were tested in each repeat."""
    tested = run.predictions[["repeat", "clip", "label"]].drop_duplicates().sort_values(["repeat", "clip"])
    digest = hashlib.sha256(tested.to_csv(index=False).encode()).hexdigest()
    return {
        "data": f"{run.data['name']} with fingerprint {run.data['fingerprint'][:12]}",
        "the list of classes": " ".join(run.data["class_counts"]),
        **{name: run.config["settings"].get(name) for name in PROTOCOL},
        "the set of tested clips": f"{len(tested)} with fingerprint {digest[:12]}",
    }


def _go_on(folder: RunFolder) -> str:
    command = f"python -m experiments.{folder.read_json('config.json')['experiment']} --resume={folder.path}"
    return f"let it end, go on with `{command}`, or leave it out"
