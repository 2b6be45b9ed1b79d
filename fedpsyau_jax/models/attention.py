"""The attention of DPK-GAT as matrices over all pairs of nodes; ``dpk_gat`` has the formulas and their source."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from fedpsyau_jax.priors import Masking, Prior, neighbours
from fedpsyau_jax.types import Array, Bool, Float

NEGATIVE_SLOPE = 0.2
SMALLEST_ROW_SUM = 1e-12  # a node without neighbours, not even itself, gets zeros instead of 0 / 0


class Attention(NamedTuple):
    """Attention weights of each receiving node (second last axis) on each sending node (last axis), for each head.

    ``learned``: A, from the network alone; ``prior``: P, from the prior alone; ``mixed``: the mixture that is used,
    before dropout.
    """

    learned: Float[Array, "*batch heads nodes nodes"]
    prior: Float[Array, "nodes nodes"]
    mixed: Float[Array, "*batch heads nodes nodes"]


def attention_dense(
    receiving: Float[Array, "*batch nodes heads"],
    sending: Float[Array, "*batch nodes heads"],
    prior: Prior,
    strength: Float[Array, ""] | float,
    masking: Masking = neighbours,
) -> Attention:
    """The attention of a layer: A, P and their mixture, as defined in ``dpk_gat``.

    Args:
        receiving: scores a_1 . W h of the nodes.
        sending: scores a_2 . W h of the nodes.
        prior: may be traced, topology included.
        strength: share of the prior in the attention, in [0, 1].
        masking: ``neighbours`` (the default) or ``released``.

    Returns:
        rows of ``learned`` and ``mixed`` sum to 1, or to 0 for a node without neighbours.

    >>> import numpy as np
    >>> two = Prior(np.array([[True, True], [False, True]]), np.array([[0.5, 0.5], [0.0, 1.0]]))
    >>> attention = attention_dense(jnp.zeros((2, 1)), jnp.array([[0.0], [jnp.log(3.0)]]), two, 0.5)
    >>> np.asarray(attention.learned[0], float).round(3).tolist()
    [[0.25, 0.75], [0.0, 1.0]]
    >>> np.asarray(attention.mixed[0], float).round(3).tolist()
    [[0.375, 0.625], [0.0, 1.0]]
    """
    topology = jnp.asarray(prior.topology)
    support = jnp.asarray(masking(topology))
    statistics = jnp.asarray(prior.statistics, receiving.dtype)

    receiving, sending = (
        jnp.moveaxis(receiving, -1, -2)[..., :, None],
        jnp.moveaxis(sending, -1, -2)[..., None, :],
    )
    logits = nn.leaky_relu(receiving + sending, NEGATIVE_SLOPE)
    learned = softmax_over(support, jnp.where(topology, logits, 0))
    known = jnp.where(topology, softmax_over(support, jnp.where(topology, statistics, 0)), 0)
    mixed = (1 - strength) * learned + strength * known
    mixed = mixed / jnp.maximum(mixed.sum(axis=-1, keepdims=True), SMALLEST_ROW_SUM)
    return Attention(learned, known, mixed)


def softmax_over(
    support: Bool[Array, "nodes nodes"], logits: Float[Array, "*batch nodes nodes"]
) -> Float[Array, "*batch nodes nodes"]:
    """Softmax of each row over the supported entries, 0 elsewhere; a row without support is 0."""
    lowest = jnp.finfo(logits.dtype).min
    return jnp.where(support, jax.nn.softmax(jnp.where(support, logits, lowest)), 0)
