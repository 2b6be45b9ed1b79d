"""Differentially private training: what a subject, or a whole client, can change is bounded and hidden in noise.

``private_training`` takes the place of ``local_training`` (unit: a subject); ``noised_delta`` wraps any ClientUpdate
(unit: a client). Clip and noise are arrays, so that they are swept in one program. ``accountant`` says what they give.
"""

from fedpsyau_jax.federated.private.clipping import clipped, gaussian_like
from fedpsyau_jax.federated.private.deltas import noised_delta
from fedpsyau_jax.federated.private.frozen import frozen_statistics
from fedpsyau_jax.federated.private.leverage import Leverage, leverage
from fedpsyau_jax.federated.private.subjects import BySubject, private_training

__all__ = [
    "BySubject",
    "Leverage",
    "clipped",
    "frozen_statistics",
    "gaussian_like",
    "leverage",
    "noised_delta",
    "private_training",
]
