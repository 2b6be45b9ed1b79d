"""A clip read from Python with the networks of finished runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from explained_runs import DATASET, finished_run, on_random_data, random_weights
from fed_on_random_data import random_dataset

from data.dataset import Dataset
from experiments.clips.doubt import disagreement, strain_floor, too_still
from experiments.clips.outputs import ensemble_program
from experiments.clips.predictor import Predictor, scores
from experiments.inputs import databases
from experiments.inputs.detectors import detector_like
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import FedSettings, MerSettings
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training import detectors
from experiments.training.attending import last_ratio
from experiments.training.prepare import prepare
from experiments.training.restore import Restored, restore
from experiments.training.store import Detector, detect
from fedpsyau_jax.models.fedpsyau import Detected, emotion_classifier, network
from fedpsyau_jax.synthesis.filming import Conditions, Take, film
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.population import FEDERATED, portrait
from fedpsyau_jax.types import Batch, ClientState

SMALL = NetworkSettings(variant="no-transformer-no-gat")
FED = FedSettings(clients=2, repeats=2, algorithms=("local", "fedavg"), rounds=1, network=SMALL)
MER = MerSettings(folds=2, epochs=1, au="scratch", network=SMALL)
GREY = cv2.COLOR_RGB2GRAY


def small_detector(*_: object, **__: object) -> ClientState:
    """The same weights at every call, of about unit gain."""
    params, state = detector_like(SMALL)
    draw = np.random.default_rng(3)

    def weights(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        scale = 0.3 / np.sqrt(max(np.prod(leaf.shape[:-1]), 1))
        return (scale * draw.normal(size=leaf.shape)).astype(leaf.dtype)

    ones = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), state)
    return ClientState(jax.tree.map(weights, params), ones)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "data" / DATASET.name).mkdir(parents=True)
    finished_run(folder / "fed", "fed", FED, random_weights)
    finished_run(folder / "mer", "mer", MER, random_weights)
    with on_random_data() as patched:
        patched.setattr(detectors, "stored_detector", small_detector)
        yield folder


@pytest.fixture(scope="module")
def both(data: Path) -> Predictor:
    return Predictor(data / "fed", data / "mer", data_dir=data / "data")


@pytest.fixture(scope="module")
def smile() -> Take:
    return film(portrait(FEDERATED, 1), [Action(6, 0.3), Action(12, 0.3)], Conditions(), np.random.default_rng(0))


@pytest.mark.slow
def test_kept_networks_of_several_runs_are_one_ensemble(both: Predictor):
    titles = [member.title for member in both.ensemble.members]
    assert titles[0] == "fed: Local only, repeat 0, client 0"
    assert titles[-1].startswith("mer: ")
    assert "fold 1" in titles[-1]
    assert len(titles) == len(set(titles))


def restored(data: Path, name: str) -> Restored:
    with progress() as stages:
        return restore(RunFolder(data / name), data / "data", stages)


@pytest.mark.slow
def test_reading_a_run_builds_no_data_and_training_does(data: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[bool] = []

    def load(*given: Any, only_read: bool = False, **named: Any) -> Dataset:
        asked.append(only_read)
        return random_dataset(*given, **named)

    monkeypatch.setattr(databases, "load", load)
    Predictor(data / "fed", data_dir=data / "data")
    assert asked == [True, True]  # its own data, and those of its detector's pretraining
    with progress() as stages:
        prepare(FED, None, data / "data", (), stages)
    assert asked[2:] == [False, False]


@pytest.mark.slow
def test_probabilities_are_those_of_the_networks_one_by_one(both: Predictor, data: Path):
    """Frozen detectors and whole networks, each by the model's own functions on the whole batch."""
    examples = jax.tree.map(lambda leaf: jnp.asarray(leaf[:3]), DATASET.examples)
    program, weights = ensemble_program(both.ensemble.members, 7)
    emotion, au = jax.jit(program)(weights, examples.flow, examples.patches)
    expected_emotion, expected_au = [], []
    fed, mer = restored(data, "fed"), restored(data, "mer")
    for kept in fed.networks:
        client = fed.weights([kept])
        one = Detector(small_detector(), kept.training.priors, FED.network.prior_ratio)
        outputs = detect(FED.network, [one], examples)
        batch = Batch(Detected(examples.flow, outputs.features[0], examples.emotion), jnp.ones(3))
        weights = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), client)
        logits, _ = emotion_classifier(7).apply(*weights, batch, None, train=False)
        expected_emotion.append(jax.nn.softmax(logits))
        expected_au.append(jax.nn.sigmoid(outputs.logits[0]))
        break
    kept = mer.networks[-1]
    weights = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), mer.weights([kept]))
    ratio = last_ratio(kept.group, kept.training)
    model = network(7, MER.network.architecture(), kept.training.priors, ratio)
    whole, _ = model.apply(*weights, Batch(examples, jnp.ones(3)), None, train=False)
    expected_emotion.append(jax.nn.softmax(whole.emotion_logits))
    expected_au.append(jax.nn.sigmoid(whole.au.logits))
    np.testing.assert_allclose(emotion[np.array([0, -1])], np.stack(expected_emotion), atol=2e-5)
    np.testing.assert_allclose(au[np.array([0, -1])], np.stack(expected_au), atol=2e-5)


@pytest.mark.slow
def test_a_clip_is_read(both: Predictor, smile: Take):
    onset, apex = (cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in (smile.onset, smile.apex))
    reading = both(onset, apex, smile.onset_landmarks)
    assert list(reading.emotions) == list(DATASET.class_names)
    assert list(reading.aus) == list(DATASET.au_names)
    assert sum(score.mean for score in reading.emotions.values()) == pytest.approx(1, abs=1e-5)
    for score in (*reading.emotions.values(), *reading.aus.values()):
        assert 0 <= score.low <= score.mean <= score.high <= 1
    assert any(score.spread > 0 for score in reading.emotions.values())
    again = both(onset, apex, lambda picture: smile.onset_landmarks)
    assert again.emotions == reading.emotions


@pytest.mark.slow
def test_a_still_face_and_another_scene_are_not_read(both: Predictor, smile: Take):
    reading = both(smile.onset, smile.onset, smile.onset_landmarks)
    assert reading.emotion is None
    assert reading.abstained[0].startswith("the face hardly moves: a strain of 0.000")
    noise = np.random.default_rng(0).integers(0, 255, smile.onset.shape, np.uint8)
    other = both(smile.onset, noise, smile.onset_landmarks)
    assert other.sample is None
    assert other.emotion is None
    assert other.abstained[0].startswith("no motion of a face")


@pytest.mark.slow
def test_pictures_must_fit(both: Predictor, smile: Take):
    with pytest.raises(ValueError, match="frames of one clip must agree"):
        both(smile.onset, smile.apex[:200], smile.onset_landmarks)
    with pytest.raises(ValueError, match=r"a picture must be uint8, .* not float64 \[256, 256, 3\]"):
        both(smile.onset / 255, smile.apex, smile.onset_landmarks)


@pytest.mark.slow
def test_a_row_is_chosen_by_its_title(data: Path):
    one = Predictor(data / "fed", data_dir=data / "data", row="FedAvg")
    assert {member.title.partition(",")[0] for member in one.ensemble.members} == {"fed: FedAvg"}
    with pytest.raises(ValueError, match=r"--row=FedAgv: did you mean FedAvg\? the rows of .* are Local only; FedAvg"):
        Predictor(data / "fed", data_dir=data / "data", row="FedAgv")


@pytest.mark.slow
def test_a_run_without_networks_is_refused(data: Path, tmp_path: Path):
    shutil.copytree(data / "mer", tmp_path / "mer")
    shutil.rmtree(tmp_path / "mer" / "networks")
    with pytest.raises(ValueError, match="has no folder networks"):
        Predictor(tmp_path / "mer", data_dir=data / "data")


def test_spread_is_that_of_the_networks():
    found = scores(["a"], np.array([[0.2], [0.4]]))["a"]
    assert found == pytest.approx((0.3, 0.1, 0.2, 0.4))


def test_doubts_have_bounds():
    assert not too_still(strain_floor(3.0), 3.0)
    assert "moves by 3.0 pixels" in too_still(strain_floor(3.0) - 1e-6, 3.0)
    assert not disagreement(0.5, 2)
    assert disagreement(0.5, 4) == "the networks disagree: 50% of 4 have the same most probable emotion"
