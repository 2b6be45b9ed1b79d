"""Finished runs with made-up networks on random data, as the commands leave them, without any training."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import random_dataset
from matplotlib.figure import Figure

from experiments import explain
from experiments.inputs import databases
from experiments.inputs.detectors import detector_like
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import RecognitionSettings
from experiments.pages import explain as explain_page
from experiments.results import schema
from experiments.results.conclude import conclude
from experiments.run import lifecycle, mistakes
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training import detectors
from experiments.training.experiment import keep_network, network_like
from experiments.training.prepare import Prepared, prepare, record_inputs
from experiments.training.records import au_rows, emotion_rows, emotion_table, keys_of, tests_of
from experiments.training.restore import KeptNetwork, kept_networks
from fedpsyau_jax.types import ClientState

DATASET = random_dataset("synthetic", "federated")
Logits = Callable[[KeptNetwork, ClientState], np.ndarray]
Weights = Callable[[int, ClientState], ClientState]


def random_detector(*_: object, **__: object) -> ClientState:
    """Weights of about unit gain; drawn by shape, as initialisers take long to compile."""
    draw = np.random.default_rng(3)

    def weights(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        scale = 0.3 / np.sqrt(max(np.prod(leaf.shape[:-1]), 1))
        return jnp.asarray(draw.normal(size=leaf.shape) * scale, leaf.dtype)

    params, state = detector_like(NetworkSettings())
    return ClientState(jax.tree.map(weights, params), jax.tree.map(lambda leaf: jnp.ones(leaf.shape), state))


def random_weights(number: int, like: ClientState) -> ClientState:
    """Small positive weights, others for each number."""
    draw = np.random.default_rng(number)
    return jax.tree.map(lambda leaf: draw.uniform(0.0, 0.1, leaf.shape).astype(leaf.dtype), like)


def always(number: int, like: ClientState) -> ClientState:
    """A network that takes everything for the class of this number."""
    client = random_weights(number, like)
    classifier = client.params.get("dsi", client.params)["classify"]
    classifier["kernel"][:] = 0
    num_classes = len(classifier["bias"])
    classifier["bias"][:] = 5 * np.eye(num_classes)[number % num_classes]
    return client


def bias_only(network: KeptNetwork, client: ClientState) -> np.ndarray:
    """Logits of a network that is ``always`` of one class."""
    return np.tile(client.params.get("dsi", client.params)["classify"]["bias"], (len(network.test), 1))


@contextmanager
def on_random_data() -> Iterator[pytest.MonkeyPatch]:
    """In this process, commands read random data, and find a random detector beside them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(databases, "load", random_dataset)
        patched.setattr(detectors, "stored_detector", random_detector)
        patched.setattr(lifecycle, "cache_compilations", lambda: None)
        yield patched


def finished_run(
    path: Path, experiment: str, settings: RecognitionSettings, weights: Weights = always, logits: Logits = bias_only
) -> Prepared:
    """A run with its kept networks, which predicted what ``logits`` says; all others predicted at random."""
    folder = RunFolder(path)
    path.mkdir()
    command = f"python -m experiments.{experiment} <b>"
    folder.write_json("config.json", {"experiment": experiment, "command": command, "settings": asdict(settings)})
    with on_random_data(), progress() as stages:
        prepared = prepare(settings, None, path, (), stages)
    record_inputs(folder, prepared)
    kept = {}
    for number, network in enumerate(kept_networks(prepared)):
        client = weights(number, network_like(prepared, network.group))
        keep_network(folder, network.group, network.place, network.client, client)
        kept[id(network.training), network.client] = logits(network, client)
    draw, emotions, aus, keys = np.random.default_rng(9), [], [], []
    for training in prepared.table.trainings:
        data = prepared.data_of(training)
        for number, client in enumerate(training.split.clients):
            keys.append(keys_of(training, number))
            at_random = draw.normal(size=(len(client.test), len(data.class_names)))
            own = kept.get((id(training), number), at_random)
            for one, test, found in tests_of(prepared, training, number, {"emotion": own}):
                emotions.append(emotion_rows(data, one, test, found["emotion"]))
                aus.append(au_rows(data, one, test, draw.random((len(test), 12))))
    ones, none = np.ones(len(keys)), np.zeros((len(keys), 7, 7), int)
    sums = {"train_loss_sum": ones, "num_train": ones, "loss_sum": ones, "confusion": none, "scored": ""}
    rounds = prepared.table.groups[0].recipe.rounds
    metrics = pd.concat(schema.round_rows(number, keys, **sums) for number in range(1, rounds + 1))
    folder.write_table("metrics.csv", metrics)
    conclude(folder, emotion_table(prepared, emotions), pd.concat(aus, ignore_index=True))
    return prepared


@contextmanager
def explaining(data: Path) -> Iterator[Callable[..., int]]:
    """The command in this process; its exit status. Figures that are slow to draw are left empty."""
    (data / DATASET.name).mkdir(parents=True)

    def command(folder: Path, *options: str) -> int:
        arguments = [str(folder), f"--data-dir={data}", *(options or ("--ratios", "0", "1"))]
        return mistakes.exit_status(lambda: explain.main(arguments))

    with on_random_data() as patched:
        for slow_to_draw in ("faces", "heat_maps"):
            patched.setattr(explain_page.figures, slow_to_draw, lambda *_, **__: Figure(figsize=(1, 1)))
        yield command


def copied(run: Path, place: Path, spoil: Callable[[Path], None]) -> Path:
    """A copy of a run with something wrong."""
    shutil.copytree(run, place)
    spoil(place)
    return place


def the_error(capsys: pytest.CaptureFixture[str]) -> str:
    """The only sentence that a command ended with."""
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    return said
