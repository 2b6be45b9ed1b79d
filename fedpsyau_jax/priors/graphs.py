"""Priors as graphs: ``jraph.GraphsTuple`` values whose edges run from sender j to receiver i."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import jraph
import numpy as np

from fedpsyau_jax.priors.prior import Prior
from fedpsyau_jax.types import Array, Bool, Float

Topology = Bool[Array | np.ndarray, "nodes nodes"]
Masking = Callable[[Topology], Topology]


class PriorEdges(NamedTuple):
    """Edge features: the prior's entry for (receiver, sender), and whether the sender is a neighbour."""

    statistics: Float[Array | np.ndarray, "edges"]
    is_neighbour: Bool[Array | np.ndarray, "edges"]


def neighbours(topology: Topology) -> Topology:
    """Mask to neighbours: a node's softmaxes run over the nodes that it may attend to. The default."""
    return topology


def released(topology: Topology) -> Topology:
    """Masking of the released implementation: softmaxes run over all nodes, non-neighbours with logit 0.

    So a non-neighbour keeps a share of the attention: the graph is complete, and its edges only mark who is a
    neighbour.
    """
    return topology | True


def to_graph(prior: Prior, masking: Masking = neighbours, nodes: Any = None) -> jraph.GraphsTuple:
    """One graph with an edge j -> i wherever ``masking`` lets node i's softmax run over node j.

    Args:
        prior: its topology must be a concrete array (it decides how many edges there are).
        masking: ``neighbours`` or ``released``.
        nodes: node features with a leading axis of nodes; optional.

    Returns:
        a graph whose ``edges`` are ``PriorEdges``, sorted by receiver.

    >>> graph = to_graph(Prior(np.array([[True, True], [False, True]]), np.full((2, 2), 0.5)))
    >>> graph.senders.tolist(), graph.receivers.tolist()
    ([0, 1, 1], [0, 0, 1])
    """
    topology = np.asarray(prior.topology)
    receivers, senders = np.nonzero(masking(topology))
    return jraph.GraphsTuple(
        nodes=nodes,
        edges=PriorEdges(prior.statistics[receivers, senders], topology[receivers, senders]),
        receivers=receivers,
        senders=senders,
        globals=None,
        n_node=np.array([len(topology)]),
        n_edge=np.array([len(receivers)]),
    )


def from_graph(graph: jraph.GraphsTuple) -> Prior:
    """The prior that one graph with ``PriorEdges`` holds: the inverse of ``to_graph``.

    Statistics of pairs without an edge are not in the graph and come back as 0. Attention never reads them,
    so it is unchanged; ``to_graph(prior, released)`` keeps them all.

    Raises:
        ValueError: if the tuple holds several graphs.
    """
    if len(graph.n_node) != 1:
        raise ValueError(f"the tuple holds {len(graph.n_node)} graphs: separate them with jraph.unbatch first")
    num_nodes = int(graph.n_node[0])
    pairs = (graph.receivers, graph.senders)
    statistics = jnp.asarray(graph.edges.statistics)
    return Prior(
        topology=jnp.zeros((num_nodes, num_nodes), bool).at[pairs].set(graph.edges.is_neighbour),
        statistics=jnp.zeros((num_nodes, num_nodes), statistics.dtype).at[pairs].set(statistics),
    )
