"""Which finished runs can be compared: those of one kind, on the same data, by the same protocol."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.results.measures import ACTION_UNITS
from experiments.results.read import KINDS, FinishedRun, experiment_of
from experiments.results.schema import merged
from experiments.run import folder as run_folder
from experiments.run.folder import RunFolder

PROTOCOL = (
    *("protocol", "folds", "classes", "split", "train_share", "validation_share", "clients", "client_by"),
    *("partition", "repeats", "seed"),
)
"""Settings that decide who is trained and tested on; a run that lacks one has ``None`` there."""
POOLING = "how predictions are pooled"
"""Federations and cross-validations have different settings: where these differ, no setting is named."""


def open_folders(paths: Sequence[Path]) -> dict[str, RunFolder]:
    """Folders of runs, by what they are called.

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
    return {label: _open_folder(path) for label, path in zip(labels, paths, strict=True)}


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


def protocol(run: FinishedRun) -> dict[str, Any]:
    """What runs must share to be compared: the data, the settings of ``PROTOCOL``, and the tested clips."""
    facts: dict[str, Any] = {"data": ", ".join(map(_database, run.data["databases"]))}
    chosen = {name: run.settings.get(name) for name in PROTOCOL}
    if run.predictions is None:
        columns = ACTION_UNITS.columns(ACTION_UNITS.names(run.au_predictions))
        return facts | chosen | {"the set of validated clips": _fingerprint(run.au_predictions, columns)}
    facts |= {
        POOLING: f"over {run.part}s",
        "the list of classes": " ".join(merged(one["class_counts"] for one in run.data["databases"])),
    }
    return facts | chosen | {"the set of tested clips": _fingerprint(run.predictions, ["label"])}


def protocol_differences(protocols: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Each fact of data and protocol in which the runs differ, with its values and whose they are.

    Args:
      protocols: by the label of each run.

    Returns:
      Phrases such as ``seed is 0 in a, c and 1 in b``; none where the runs can be compared.
    """
    phrases = []
    same_pooling = len({facts.get(POOLING) for facts in protocols.values()}) == 1
    for fact in next(iter(protocols.values())):
        if fact in PROTOCOL and not same_pooling:
            continue
        owners: dict[str, list[str]] = {}
        for label, facts in protocols.items():
            owners.setdefault(str(facts[fact]), []).append(label)
        if len(owners) > 1:
            phrases.append(
                f"{fact} is " + " and ".join(f"{value} in {', '.join(labels)}" for value, labels in owners.items())
            )
    return phrases


def refuse_different(protocols: Mapping[str, Mapping[str, Any]], *, allow: bool) -> list[str]:
    """What differs between runs besides their methods, as phrases.

    Raises:
      ValueError: something does, and that is not allowed.
    """
    differing = protocol_differences(protocols)
    if differing and not allow:
        raise ValueError(
            f"the runs differ in more than their methods: {'; '.join(differing)}. Compare runs of one protocol on the "
            "same data, or add --allow-different"
        )
    return differing


def _open_folder(path: Path) -> RunFolder:
    folder = run_folder.existing(path)
    if not folder.has("config.json"):
        raise ValueError(f"{path} is no run folder: it has no config.json; give folders that an experiment wrote")
    return folder


def _database(facts: Mapping[str, Any]) -> str:
    return f"{facts['name']} with fingerprint {facts['fingerprint'][:12]}"


def _fingerprint(predictions: pd.DataFrame, columns: Sequence[str]) -> str:
    tested = predictions[["repeat", "clip", *columns]].drop_duplicates().sort_values(["repeat", "clip"])
    digest = hashlib.sha256(tested.to_csv(index=False).encode()).hexdigest()
    return f"{len(tested)} with fingerprint {digest[:12]}"
