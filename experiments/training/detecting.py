"""Frozen detectors look at examples, once."""

from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.configs import FedSettings
from experiments.training.compiler import to_run_once
from experiments.training.tasks import CHUNK, Detector, only
from fedpsyau_jax.federated import in_chunks
from fedpsyau_jax.models.fedpsyau import AUOutputs, au_detector
from fedpsyau_jax.types import Batch, Examples

Track = Callable[[Sequence[Detector]], Iterable[Detector]]


def detect(settings: FedSettings, detectors: Sequence[Detector], examples: Examples, track: Track = iter) -> AUOutputs:
    """AU logits and features [detectors * examples, ...], once, by frozen detectors in evaluation mode.

    Args:
      settings: of the network.
      detectors: one after another.
      examples: that each looks at.
      track: passes the detectors through, to show how far it got.
    """
    choices = settings.network

    def detected(detector: Detector, batch: Batch) -> AUOutputs:
        model = au_detector(
            choices.architecture(), only([each.priors for each in detectors], detector.priors), choices.prior_ratio
        )
        return in_chunks(lambda client, part: model.apply(*client, part, None, train=False)[0], CHUNK)(
            detector.client, batch
        )

    count = len(examples.emotion)
    padded = jax.tree.map(lambda leaf: np.pad(leaf, [(0, -count % CHUNK)] + [(0, 0)] * (leaf.ndim - 1)), examples)
    program = jax.jit(detected, compiler_options=to_run_once())
    everything = Batch(padded, jnp.ones(count + -count % CHUNK))
    outputs = [jax.block_until_ready(program(detector, everything)) for detector in track(detectors)]
    return jax.tree.map(lambda *leaves: jnp.concatenate([leaf[:count] for leaf in leaves]), *outputs)
