"""Prior knowledge of facial action units, as values: topologies, co-occurrence statistics, graphs.

``docs/priors.md`` shows how to build and combine them; ``coordination`` tests them against annotations.
"""

from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.priors.annotation_table import AnnotationTable, PriorFunction
from fedpsyau_jax.priors.combinators import as_priors, blend, grouped, permute, restrict, subset, symmetrise
from fedpsyau_jax.priors.constructors import (
    from_annotations,
    from_pair_counts,
    identity,
    learned,
    pair_counts,
    start_logits,
    uniform,
)
from fedpsyau_jax.priors.graphs import Masking, PriorEdges, from_graph, neighbours, released, to_graph
from fedpsyau_jax.priors.prior import Prior, Priors, from_counts, published
from fedpsyau_jax.priors.schedules import released_decay
from fedpsyau_jax.priors.shuffling import shuffle_edges

__all__ = [
    "ACTION_UNITS",
    "AnnotationTable",
    "Masking",
    "Prior",
    "PriorEdges",
    "PriorFunction",
    "Priors",
    "as_priors",
    "blend",
    "from_annotations",
    "from_counts",
    "from_graph",
    "from_pair_counts",
    "grouped",
    "identity",
    "learned",
    "neighbours",
    "pair_counts",
    "permute",
    "published",
    "released",
    "released_decay",
    "restrict",
    "shuffle_edges",
    "start_logits",
    "subset",
    "symmetrise",
    "to_graph",
    "uniform",
]
