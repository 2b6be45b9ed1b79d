"""Prior knowledge of facial action units, as values: topologies, co-occurrence statistics, graphs."""

from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.priors.graphs import Masking, PriorEdges, from_graph, neighbours, released, to_graph
from fedpsyau_jax.priors.prior import Prior, Priors, from_counts, published

__all__ = [
    "ACTION_UNITS",
    "Masking",
    "Prior",
    "PriorEdges",
    "Priors",
    "from_counts",
    "from_graph",
    "neighbours",
    "published",
    "released",
    "to_graph",
]
