"""DPK-GAT: graph attention with dynamic prior knowledge, for any directed graph.

One layer, for a receiving node i and a sending node j, a = (a_1, a_2):

    e_ij = LeakyReLU(a_1 . W h_i + a_2 . W h_j)
    A = softmax of e over the neighbours of i,   P = softmax of i's row of statistics over the same
    h'_i = sum_j drop(L1-normalised rows of ((1 - s) A + s P))_ij W h_j,   s = beta x prior ratio

``attend_graph`` is this on a ``jraph.GraphsTuple``; ``attend_dense`` is the same map on [nodes, nodes]
matrices, cheaper for small graphs and easy to batch. Source: Velickovic et al., Graph Attention Networks
(ICLR 2018); FED-PsyAU (ICCV 2025). The released implementation gives a non-neighbour the logit 0, not -inf:
``priors.released`` reproduces that as a complete graph whose edges mark the neighbours.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
from flax import linen as nn

from fedpsyau_jax.models.attention import NEGATIVE_SLOPE, SMALLEST_ROW_SUM, Attention, attention_dense
from fedpsyau_jax.models.dropout import Dropout
from fedpsyau_jax.priors import Masking, Prior, neighbours
from fedpsyau_jax.types import Array, Float

Drop = Callable[[Array], Array]
Watch = Callable[[Attention], object]


class Heads(NamedTuple):
    """Parameters of the attention heads of one layer; ``attention`` is (receiving half, sending half)."""

    weight: Float[Array, "heads in hidden"]
    attention: Float[Array, "heads two_hidden"]


def keep(values: Array) -> Array:
    """Return the values unchanged (no dropout)."""
    return values


def unwatched(attention: Attention) -> None:
    """Ignore the attention."""


def attend_graph(
    heads: Heads,
    nodes: Float[Array, "nodes in"],
    graph: jraph.GraphsTuple,
    strength: Float[Array, ""] | float,
    drop: Drop = keep,
) -> Float[Array, "nodes heads hidden"]:
    """One multi-head layer on a graph, or on several graphs batched by jraph.

    Args:
        heads: the parameters.
        nodes: node features; those in ``graph`` itself are ignored.
        graph: ``edges`` are ``PriorEdges``; an edge's receiver attends to its sender.
        strength: share of the prior in the attention, in [0, 1].
        drop: dropout on the attention.

    Returns:
        the new features, before any nonlinearity.
    """
    per_node = partial(jraph.segment_sum, segment_ids=graph.receivers, num_segments=len(nodes))
    softmax = partial(jraph.segment_softmax, segment_ids=graph.receivers, num_segments=len(nodes))
    is_neighbour = jnp.asarray(graph.edges.is_neighbour)[:, None]
    statistics = jnp.asarray(graph.edges.statistics, nodes.dtype)[:, None]

    messages, receiving, sending = project(heads, nodes)
    logits = nn.leaky_relu(receiving[graph.receivers] + sending[graph.senders], NEGATIVE_SLOPE)
    learned = softmax(jnp.where(is_neighbour, logits, 0))
    prior = jnp.where(is_neighbour, softmax(jnp.where(is_neighbour, statistics, 0)), 0)
    mixed = (1 - strength) * learned + strength * prior
    mixed = drop(mixed / jnp.maximum(per_node(mixed), SMALLEST_ROW_SUM)[graph.receivers])
    return per_node(mixed[:, :, None] * messages[graph.senders])


def attend_dense(
    heads: Heads,
    nodes: Float[Array, "*batch nodes in"],
    prior: Prior,
    strength: Float[Array, ""] | float,
    drop: Drop = keep,
    masking: Masking = neighbours,
    watch: Watch = unwatched,
) -> Float[Array, "*batch nodes heads hidden"]:
    """The layer of ``attend_graph`` on matrices over all pairs of nodes.

    Args:
        heads: the parameters.
        nodes: node features, with any batch axes; all examples share the graph.
        prior: may be traced, topology included.
        strength: share of the prior in the attention, in [0, 1].
        drop: dropout on the attention.
        masking: ``neighbours`` (the default) or ``released``.
        watch: called with the attention, for example to record it.

    Returns:
        the new features, before any nonlinearity.
    """
    messages, receiving, sending = project(heads, nodes)
    attention = attention_dense(receiving, sending, prior, strength, masking)
    watch(attention)
    return jnp.einsum("...hij,...jho->...iho", drop(attention.mixed), messages)


def project(heads: Heads, nodes: Float[Array, "*batch nodes in"]) -> tuple[Array, Array, Array]:
    """Messages W h [..., nodes, heads, hidden], receiving scores a_1 . W h and sending scores a_2 . W h."""
    messages = jnp.einsum("...ni,hio->...nho", nodes, heads.weight)
    halves = heads.attention.reshape(len(heads.attention), 2, -1)
    scores = jnp.einsum("...nho,hso->s...nh", messages, halves)
    return messages, scores[0], scores[1]


def gat(
    attend: Callable[..., Array],
    hidden: Heads,
    out: Heads,
    nodes: Float[Array, "*batch nodes in"],
    drop: Drop = keep,
) -> Float[Array, "*batch nodes out"]:
    """Two attention layers: several heads, ELU, concatenated; then one head, ELU.

    Args:
        attend: ``attend_graph`` or ``attend_dense`` with its graph and strength filled in.
        hidden: parameters of the first layer.
        out: parameters of the second layer, one head.
        nodes: node features.
        drop: dropout on the inputs of both layers and on their attention.

    Returns:
        new node features, without a residual.
    """
    features = nn.elu(attend(hidden, drop(nodes), drop=drop))
    features = features.reshape(*features.shape[:-2], -1)
    return nn.elu(attend(out, drop(features), drop=drop)[..., 0, :])


def xavier_uniform(key: Array, shape: tuple[int, ...], dtype: jax.typing.DTypeLike = jnp.float32) -> Array:
    """Glorot & Bengio (2010) with gain 1.414; the last two axes are the matrix."""
    draw = nn.initializers.variance_scaling(1.414**2, "fan_avg", "uniform", batch_axis=tuple(range(len(shape) - 2)))
    return draw(key, shape, dtype)


def xavier_column(key: Array, shape: tuple[int, ...], dtype: jax.typing.DTypeLike = jnp.float32) -> Array:
    """``xavier_uniform`` for vectors that act as one-column matrices."""
    return xavier_uniform(key, (*shape, 1), dtype)[..., 0]


class DPKGAT(nn.Module):
    """The graph attention network of one facial region, run densely.

    Attributes:
        hidden: features of one head.
        heads: number of heads of the first layer.
        out: features of the result.
        dropout: rate on inputs and attention, in training.
        beta: share of the prior in the attention at prior ratio 1.
        masking: which nodes a node's softmaxes run over.
    """

    hidden: int = 64
    heads: int = 3
    out: int = 25
    dropout: float = 0.5
    beta: float = 0.3
    masking: Masking = neighbours

    @nn.compact
    def __call__(
        self,
        nodes: Float[Array, "*batch nodes feat"],
        prior: Prior,
        ratio: Float[Array, ""] | float,
        *,
        train: bool,
    ) -> Float[Array, "*batch nodes out"]:
        """New node features for a prior and its ratio in [0, 1]; training needs a ``dropout`` key.

        The attention of both layers is sown as the intermediate ``attention``.
        """
        merged = self.heads * self.hidden
        hidden = Heads(
            self.param("W", xavier_uniform, (self.heads, nodes.shape[-1], self.hidden)),
            self.param("a", xavier_column, (self.heads, 2 * self.hidden)),
        )
        out = Heads(
            self.param("out_W", xavier_uniform, (merged, self.out))[None],
            self.param("out_a", xavier_column, (2 * self.out,))[None],
        )

        def drop(values: Array) -> Array:
            return Dropout(self.dropout)(values, train=train)

        attend = partial(
            attend_dense,
            prior=prior,
            strength=self.beta * ratio,
            masking=self.masking,
            watch=partial(self.sow, "intermediates", "attention"),
        )
        return gat(attend, hidden, out, nodes, drop)
