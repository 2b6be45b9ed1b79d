"""Training of a detector that is interrupted, with a linear model in place of the network."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from experiments.inputs.configs import PretrainingSettings
from experiments.run import commandline
from experiments.run.progress import progress
from experiments.training import detector_training
from experiments.training.detector_training import DetectorTrial, Saving, Trained, train_detectors
from experiments.training.tasks import Task
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.federated import masked_mean, vectorised
from fedpsyau_jax.types import ClientState

CHOICES = PretrainingSettings(epochs=5, batch=3, learning_rate=0.1)
TRIALS = [DetectorTrial(", repeat 0", 0, np.arange(8)), DetectorTrial(", repeat 1", 1, np.arange(1, 7))]

pytestmark = pytest.mark.usefixtures("quick_compilation")


class StopAfter:
    """A request to stop that comes after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    @property
    def asked(self) -> bool:
        self.left -= 1
        return self.left <= 0


def linear(scale: float = 1.0) -> Task:
    """Twelve numbers from four; noise from the key leaves a trace in the weights."""
    generator = np.random.default_rng(0)
    store = (jnp.asarray(generator.random((8, 4))), jnp.asarray(scale * generator.random((8, 12))))

    def loss(store):
        def of_indices(params, state, batch, key):
            numbers, targets = (leaf[batch.examples] for leaf in store)
            error = numbers @ params["w"] + 0.01 * jax.random.normal(key, (12,)) - targets
            value, count = masked_mean((error**2).mean(-1), batch.mask), batch.mask.sum()
            return value, (state, {"loss_sum": value * count, "num_examples": count})

        return of_indices

    def init(key, index=0):
        return ClientState({"w": jax.random.normal(key, (4, 12))}, ())

    return Task(store, init, lambda params: params, lambda params: params, lambda client: client, loss, lambda _: None)


def trained(
    folder: Path | None = None, task: Task | None = None, trials: Sequence[DetectorTrial] = TRIALS
) -> list[Trained]:
    with progress(Console(quiet=True)) as stages:
        if folder is None:
            return train_detectors(task or linear(), {}, CHOICES, trials, stages)
        with open_checkpoints(folder) as checkpoints:
            return train_detectors(linear(), {}, CHOICES, trials, stages, Saving(checkpoints, seconds=1e9))


@pytest.fixture(scope="module")
def uninterrupted() -> list[Trained]:
    return trained()


@pytest.mark.parametrize("epochs", [1, 4])
def test_stopped_and_resumed_is_the_uninterrupted_training_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uninterrupted: list[Trained], epochs: int
):
    @contextmanager
    def stopping(note: object) -> Iterator[StopAfter]:
        yield StopAfter(2 * epochs)

    with monkeypatch.context() as patch:
        patch.setattr(commandline, "stopping_gently", stopping)
        first = trained(tmp_path)
    second = trained(tmp_path)
    for begun, resumed, whole in zip(first, second, uninterrupted, strict=True):
        assert len(begun.loss) == epochs
        assert resumed.loss.tolist() == whole.loss.tolist()
        assert np.array_equal(resumed.client.params["w"], whole.client.params["w"])
        assert not np.array_equal(begun.client.params["w"], whole.client.params["w"])


def test_the_loss_falls(uninterrupted: list[Trained]):
    for own in uninterrupted:
        assert len(own.loss) == CHOICES.epochs
        assert own.loss[-1] < own.loss[0]


def test_trained_together_is_trained_alone(uninterrupted: list[Trained]):
    """The larger one bit for bit: nothing is padded for it."""
    (alone,) = trained(trials=TRIALS[:1])
    assert alone.loss.tolist() == uninterrupted[0].loss.tolist()
    assert np.array_equal(alone.client.params["w"], uninterrupted[0].client.params["w"])
    assert not np.array_equal(alone.client.params["w"], uninterrupted[1].client.params["w"])


def test_trained_at_once_is_trained_one_after_another(monkeypatch: pytest.MonkeyPatch, uninterrupted: list[Trained]):
    """As on an accelerator; the trials are of unequal size."""
    monkeypatch.setattr(detector_training, "sequential", vectorised)
    for at_once, own in zip(trained(), uninterrupted, strict=True):
        np.testing.assert_allclose(at_once.loss, own.loss, rtol=1e-5)
        np.testing.assert_allclose(at_once.client.params["w"], own.client.params["w"], rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_not_finite_names_its_epoch():
    with pytest.raises(
        ValueError,
        match=r"AU pretraining, repeat 0: .* not finite in epoch 1; .* --pretraining.learning-rate usually helps",
    ):
        trained(task=linear(scale=np.nan))
