"""The networks of finished runs as one ensemble, with what they were trained on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from data.dataset import Dataset
from experiments.clips.recipe import settings_of_data
from experiments.inputs.databases import AU_NAMES, PRETRAINING, load_datasets, refuse_missing
from experiments.inputs.detectors import FACTS, read_detectors
from experiments.inputs.network_settings import NetworkSettings
from experiments.results.read import FinishedRun, experiment_of, read_finished
from experiments.run.config import rebuild
from experiments.run.facts import check_databases
from experiments.run.folder import RunFolder, existing
from experiments.run.progress import Stages
from experiments.training.attending import last_ratio
from experiments.training.data import RunData
from experiments.training.prepare import facts_of
from experiments.training.restore import KeptNetwork, Restored, restore
from experiments.training.store import Detector
from fedpsyau_jax.options import did_you_mean
from fedpsyau_jax.priors import Priors, published
from fedpsyau_jax.types import ClientState
from fedpsyau_jax.vision.sample import Settings


class Member(NamedTuple):
    """A network of an ensemble.

    Attributes:
      title: run, row of its table, repeat, fold or client.
      network: its architecture.
      detector: its AU detector.
      classifier: weights of its emotion classifier; None of a pretrained detector.
    """

    title: str
    network: NetworkSettings
    detector: Detector
    classifier: ClientState | None


@dataclass(frozen=True)
class Ensemble:
    """Networks that read a clip together.

    Attributes:
      members: the networks; either all have an emotion classifier, or none.
      class_names: emotions; empty if the networks detect action units only.
      datasets: what they were trained on.
      settings: how clips become samples, as when they were trained.
      runs: for each run: folder, command, databases, versions.
    """

    members: tuple[Member, ...]
    class_names: tuple[str, ...]
    datasets: tuple[Dataset, ...]
    settings: Settings
    runs: tuple[Mapping[str, Any], ...]

    @property
    def au_names(self) -> tuple[str, ...]:
        """Action units, in the order of the outputs."""
        return AU_NAMES

    @property
    def synthetic(self) -> bool:
        """Whether some of the training faces are rendered."""
        return any(one.synthetic for one in self.datasets)

    @property
    def databases(self) -> tuple[str, ...]:
        """Names of all databases that weights come from, those of pretrained detectors included."""
        pretrained = [name for run in self.runs for name in run["detectors_pretrained_on"]]
        return tuple(dict.fromkeys(name.partition("/")[0] for name in (*(d.name for d in self.datasets), *pretrained)))


def read_ensemble(runs: Sequence[Path | str], data_dir: Path | None, row: str | None, stages: Stages) -> Ensemble:
    """Read the networks that finished runs kept.

    Args:
      runs: folders of runs of fed, mer, ablate or pretrain.
      data_dir: folder of the runs' databases and detectors.
      row: title of the row of the table to take; None for all.
      stages: where progress is shown.

    Raises:
      ValueError, OSError: a run is not finished, kept no networks, or does not fit the others; in one sentence.
    """
    parts = [_read(existing(path), data_dir, row, stages) for path in runs]
    first, *others = parts
    for part in others:
        where = f"{part.runs[0]['folder']} and {first.runs[0]['folder']}"
        if part.class_names != first.class_names:
            names = " and ".join(", ".join(one.class_names) or "action units only" for one in (part, first))
            raise ValueError(f"{where} have other classes ({names}): an ensemble needs networks of the same classes")
        if part.settings != first.settings:
            raise ValueError(f"{where} were trained on samples of other recipes: give runs of one recipe")
    datasets = {dataset.fingerprint: dataset for part in parts for dataset in part.datasets}
    return Ensemble(
        tuple(member for part in parts for member in part.members),
        first.class_names,
        tuple(datasets.values()),
        first.settings,
        tuple(run for part in parts for run in part.runs),
    )


def _read(folder: RunFolder, data_dir: Path | None, row: str | None, stages: Stages) -> Ensemble:
    if experiment_of(folder) == "pretrain":
        return _pretrained(folder, data_dir, row, stages)
    with stages.stage(f"reading {folder.path}"):
        restored = restore(folder, data_dir, stages)
        chosen = _of_row(restored, row)
        data = _data_of(restored, chosen)
        members = tuple(_members(restored, chosen))
    datasets = tuple(data.datasets)
    return Ensemble(
        members,
        data.class_names,
        datasets,
        settings_of_data(datasets),
        (_facts(folder, _databases_of_detectors(restored)),),
    )


def _data_of(restored: Restored, chosen: Sequence[KeptNetwork]) -> RunData:
    """What the networks were trained on, or the first of several that have the same classes."""
    data = {id(one): one for one in (restored.prepared.data_of(kept.group) for kept in chosen)}
    first, *others = data.values()
    if any(one.class_names != first.class_names for one in others):
        titles = " and ".join(one.title for one in data.values())
        raise ValueError(
            f"the rows of {restored.folder.path} have other classes ({titles}), and networks that read a clip together "
            "need the same: choose a row with --row"
        )
    return first


def _databases_of_detectors(restored: Restored) -> list[str]:
    """Databases that the run's AU detectors were pretrained on; none if they were not."""
    settings = restored.settings
    if settings.au_detector == "scratch":
        return []
    if settings.au_init is None:
        return [f"synthetic/{PRETRAINING}"]
    return list(map(str, RunFolder(Path(settings.au_init)).read_facts(FACTS, "databases")["databases"]))


def _of_row(restored: Restored, row: str | None) -> list[KeptNetwork]:
    titles = list(dict.fromkeys(kept.training.row for kept in restored.networks))
    if not titles:
        raise ValueError(f"{restored.folder.path} kept no network: run it again with --keep-networks")
    if row is None:
        return list(restored.networks)
    _refuse_unknown_row(restored.folder, row, titles)
    return [kept for kept in restored.networks if kept.training.row == row]


def _refuse_unknown_row(folder: RunFolder, row: str, titles: Sequence[str]) -> None:
    if row not in titles:
        raise ValueError(
            f"--row={row}: {did_you_mean(row, titles)}the rows of {folder.path} with kept networks are "
            f"{'; '.join(titles)}"
        )


def _members(restored: Restored, chosen: Sequence[KeptNetwork]) -> Iterator[Member]:
    for _, own in groupby(chosen, key=lambda kept: id(kept.group)):
        of_group = list(own)
        weights = restored.weights(of_group)
        for place, kept in enumerate(of_group):
            yield _member(restored, kept, jax.tree.map(lambda leaf, place=place: leaf[place], weights))


def _member(restored: Restored, kept: KeptNetwork, client: ClientState) -> Member:
    training, group = kept.training, kept.group
    if group.au == "frozen":
        view = group.views[group.detector[kept.place]]
        detector, classifier = restored.detectors[view.network], client
    else:
        detector, classifier = (ClientState(client.params[name], client.model_state[name]) for name in ("au", "dsi"))
    split = "" if training.split.name == "all" else f", fold {training.split.name}"
    who = f", client {kept.client}" if group.num_clients > 1 else ""
    title = f"{restored.folder.path.name}: {training.row}, repeat {training.repeat}{split}{who}"
    used = Detector(detector, training.priors, last_ratio(group, training))
    return Member(title, training.network, used, classifier)


def _pretrained(folder: RunFolder, data_dir: Path | None, row: str | None, stages: Stages) -> Ensemble:
    run = read_finished(folder, folder.path.name)
    network = _network_of(folder)
    titles = list(run.algorithms)
    if row is not None:
        _refuse_unknown_row(folder, row, titles)
    detectors = read_detectors(folder.path, network)
    leaves = iter(folder.read_facts(FACTS, "priors")["priors"])
    members = []
    for name in network.prior:
        priors: Priors = jax.tree.map(lambda leaf: np.array(next(leaves), np.asarray(leaf).dtype), published())
        title = "AU detector" if len(network.prior) == 1 else f"AU detector, {name} prior"
        if row in (None, title):
            detector = Detector(detectors.weights[name], priors, network.prior_ratio)
            members.append(Member(f"{folder.path.name}: {title}", network, detector, None))
    datasets = _pretraining_data(run, data_dir, stages)
    return Ensemble(tuple(members), (), datasets, settings_of_data(datasets), (_facts(folder, []),))


def _pretraining_data(run: FinishedRun, data_dir: Path | None, stages: Stages) -> tuple[Dataset, ...]:
    """The data of a pretraining; nothing is rendered or built that is not there."""
    for facts in run.data["databases"]:
        refuse_missing(run.path, facts["name"], data_dir)
    datasets = tuple(load_datasets(list(run.settings["databases"]), data_dir, {}, stages, only_read=True))
    consequence = "a clip cannot be compared with them; pretrain again"
    check_databases(run.folder, [facts_of(one) for one in datasets], consequence)
    return datasets


def _network_of(folder: RunFolder) -> NetworkSettings:
    facts = folder.read_facts(FACTS, "network", "priors")["network"]
    return rebuild(NetworkSettings, facts)


def _facts(folder: RunFolder, of_detectors: Sequence[str]) -> dict[str, Any]:
    config = folder.read_json("config.json")
    databases = folder.read_facts("data.json", "databases")["databases"]
    versions = folder.read_facts("environment.json", "packages", "git_commit")
    return {
        "folder": str(folder.path),
        "command": config["command"],
        "databases": [{name: one[name] for name in ("name", "synthetic", "fingerprint")} for one in databases],
        "detectors_pretrained_on": list(of_detectors),
        "packages": versions["packages"],
        "git_commit": versions["git_commit"],
    }
