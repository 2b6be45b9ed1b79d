"""The pretrained AU detector: trained on subjects outside every federation, then kept beside the data."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from data.dataset import Dataset
from experiments.configs import FedSettings
from experiments.federation import QUICK
from experiments.progress import Stages
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.federated import ClientData, LossFn, centralised, federated, kept, local_training
from fedpsyau_jax.losses import detection_loss
from fedpsyau_jax.models.fedpsyau import au_detector
from fedpsyau_jax.types import Array, Batch, ClientState, Examples, Params, PRNGKeyArray

BRANCH = 0.05
RATES = {"spatial": 0.01, "upper": 0.1, "lower": 0.1, "global": 0.1}
RECIPE = 1
"""Raise it when the training below changes: detectors trained by an older one are trained again."""


def pretrained_detector(settings: FedSettings, dataset: Dataset, cache: Path, stages: Stages) -> ClientState:
    """The AU detector of these settings, trained on ``dataset`` unless it is in ``cache`` already.

    Training is the federated core's with a single client, an epoch a round: masked BCE of both heads, AdamW, linear
    warm-up over one epoch, then cosine decay over a fixed number of epochs.

    Args:
      settings: network, pretraining and seed.
      dataset: AU-labelled examples of subjects that no federation holds.
      cache: folder of trained detectors.
      stages: where progress is shown.

    Returns:
      Parameters and batch statistics.
    """
    choices = settings.pretraining
    network = settings.network
    model = au_detector(network.architecture(), network.priors(), network.prior_ratio)
    examples = jax.tree.map(jnp.asarray, dataset.examples)
    key = jax.random.key(settings.seed)
    initial = jax.jit(model.init, compiler_options=QUICK)(
        key, Batch(jax.tree.map(lambda leaf: leaf[:1], examples), jnp.ones(1))
    )
    recipe = {"recipe": RECIPE, "data": dataset.fingerprint, "seed": settings.seed, "jax": jax.__version__}
    recipe |= {"backend": jax.default_backend(), "network": asdict(network), "pretraining": asdict(choices)}
    name = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    with open_checkpoints(cache / name, keep=1) as checkpoints:
        if (restored := checkpoints.restore(initial)) is not None and restored.state is not None:
            return restored.state
        detector = _train(settings, detection_loss(model), initial, examples, key, stages)
        checkpoints.save(choices.epochs, detector)
    return detector


def quiet_residuals(detector: Params) -> Params:
    """The same weights with the last layers of all residual branches (SSE, DPK-GATs) made small.

    As they are drawn, random branches drown what they are added to, and a short training never recovers the AUs.
    """

    def scaled(path: tuple[Any, ...], leaf: Array) -> Array:
        names = [entry.key for entry in path]
        return leaf * (BRANCH if names[-1] == "out_W" or names[-2] == "contract" else 1)

    return jax.tree_util.tree_map_with_path(scaled, detector)


def at_module_rates(params: Params) -> optax.GradientTransformation:
    """Slow down modules whose wide layers take too large a step at the rate that the others need."""

    def rate(path: tuple[Any, ...], _: Array) -> float:
        return RATES.get(path[0].key, 1.0)

    rates = jax.tree_util.tree_map_with_path(rate, params)
    return optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, rates))


def _train(
    settings: FedSettings, loss: LossFn, initial: ClientState, examples: Examples, key: PRNGKeyArray, stages: Stages
) -> ClientState:
    choices = settings.pretraining
    count = len(examples.emotion)
    steps_an_epoch = -(-count // choices.batch)
    initial = initial._replace(params=quiet_residuals(initial.params))
    training = local_training(
        loss,
        optax.chain(
            optax.scale_by_adam(),
            optax.add_decayed_weights(settings.weight_decay),
            at_module_rates(initial.params),
        ),
        optax.warmup_cosine_decay_schedule(
            choices.learning_rate / steps_an_epoch,
            choices.learning_rate,
            steps_an_epoch,
            choices.epochs * steps_an_epoch,
        ),
        batch_size=choices.batch,
        optimizer_state=kept,
    )
    algorithm = federated(centralised(jnp.ones(1)), training)
    data = ClientData(jnp.zeros(1, jnp.int32), jax.tree.map(lambda a: a[None], examples), jnp.ones((1, count)))
    with stages.stage("compiling AU pretraining"):
        state = jax.jit(algorithm.init, compiler_options=QUICK)(initial)
        epoch = jax.jit(algorithm.step, donate_argnums=0, compiler_options=QUICK).lower(state, data, key).compile()
    with stages.stage("AU pretraining", total=choices.epochs, unit="epoch") as stage:
        for _ in range(choices.epochs):
            state, metrics = epoch(state, data, key)
            stage.advance(loss=float(metrics["loss_sum"].sum() / metrics["num_examples"].sum()))
    return jax.tree.map(lambda leaf: leaf[0], state.clients)
