"""Training, validation and test splits as values, and a check for leaks between their parts."""

from fedpsyau_jax.splits.clients import by_example, by_subject, split_clients, split_groups
from fedpsyau_jax.splits.folds import cautions, k_fold, leave_one_subject_out, with_validation
from fedpsyau_jax.splits.leakage import Origins, find_leaks, refuse_leaks
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
    "Origins",
    "Split",
    "by_example",
    "by_subject",
    "cautions",
    "find_leaks",
    "generator",
    "k_fold",
    "leave_one_subject_out",
    "pad_indices",
    "pooled",
    "refuse_leaks",
    "single_client",
    "split_clients",
    "split_groups",
    "with_validation",
    "within",
]
