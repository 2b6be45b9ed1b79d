"""Training, validation and test splits as values, and a check for leaks between their parts."""

from fedpsyau_jax.splits.assignment import Least, People, people_of
from fedpsyau_jax.splits.clients import by_example, by_subject, split_clients, split_groups
from fedpsyau_jax.splits.folds import cautions, k_fold, leave_one_subject_out, with_validation
from fedpsyau_jax.splits.heterogeneity import feature_shift, label_total_variation, size_gini
from fedpsyau_jax.splits.leakage import Origins, find_leaks, refuse_leaks
from fedpsyau_jax.splits.partition import Partition, dirichlet, even, quantity, shards
from fedpsyau_jax.splits.split import (
    NOBODY,
    PARTS,
    Client,
    Split,
    generator,
    pad_indices,
    pooled,
    single_client,
    within,
)

__all__ = [
    "NOBODY",
    "PARTS",
    "Client",
    "Least",
    "Origins",
    "Partition",
    "People",
    "Split",
    "by_example",
    "by_subject",
    "cautions",
    "dirichlet",
    "even",
    "feature_shift",
    "find_leaks",
    "generator",
    "k_fold",
    "label_total_variation",
    "leave_one_subject_out",
    "pad_indices",
    "people_of",
    "pooled",
    "quantity",
    "refuse_leaks",
    "shards",
    "single_client",
    "size_gini",
    "split_clients",
    "split_groups",
    "with_validation",
    "within",
]
