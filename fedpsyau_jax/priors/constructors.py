"""Constructors of priors: from annotations, from a topology alone, or from learned parameters."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from fedpsyau_jax.priors.annotation_table import check_annotations
from fedpsyau_jax.priors.combinators import restrict
from fedpsyau_jax.priors.cooccurrence import row_stochastic
from fedpsyau_jax.priors.prior import Prior
from fedpsyau_jax.types import Array, Bool, Float, Int

SMALLEST_SHARE = 1e-6  # initial share of a learned prior for AUs that never occur together


def from_annotations(
    aus: Shaped[np.ndarray, "clips aus"],
    mask: Shaped[np.ndarray, "clips aus"] | None = None,
    subjects: np.ndarray | None = None,
    *,
    topology: Bool[np.ndarray, "aus aus"] | None = None,
) -> Prior:
    """A prior from the co-occurrence of AUs in annotations.

    P[i, j] = rate[i, j] / sum_j rate[i, j], with rate[i, j] the share of clips that show both AUs among those in
    which both are labelled; given subjects, the mean of this share over the subjects who have such a clip. So a
    clip without a label for an AU is ignored for that AU, and every subject has the same weight, however many clips
    there are. Without masks and subjects this is co-occurrence counts divided by their row sums.

    Args:
        aus: 1 (or true) where an AU is present, 0 where not; anything where it is not labelled.
        mask: 1 where it is labelled; by default everywhere.
        subjects: [clips] identities; by default every clip weighs the same.
        topology: who may attend to whom; by default every AU to every AU.

    Returns:
        the prior; an AU that never occurs has a uniform row, and two AUs never labelled together have 0.

    Raises:
        ValueError: a labelled entry is neither 0 nor 1, shapes differ, or there is no clip.

    Source: without masks and subjects, the statistics of FED-PsyAU (ICCV 2025); masks and subjects are ours.
    ``from_pair_counts`` makes the same prior, without subjects, of counts that several sites add up.

    >>> aus = np.array([[1, 1], [1, 0], [1, 0], [0, 1]])
    >>> from_annotations(aus).statistics.tolist()
    [[0.75, 0.25], [0.3333333333333333, 0.6666666666666666]]
    >>> from_annotations(aus, subjects=np.array(["a", "b", "b", "b"])).statistics[0].round(2).tolist()
    [0.62, 0.38]
    """
    aus = np.asarray(aus, float)
    mask = np.ones_like(aus) if mask is None else np.asarray(mask, float)
    subjects = np.zeros(len(aus), int) if subjects is None else np.asarray(subjects)
    check_annotations(aus, mask, subjects)
    if topology is not None and topology.shape != (aus.shape[1],) * 2:
        raise ValueError(
            f"the topology has shape {topology.shape} and the annotations have {aus.shape[1]} AUs: give both for "
            "the same AUs"
        )
    present = np.where(mask == 1, aus, 0)
    members = (subjects[None, :] == np.unique(subjects)[:, None]).astype(float)
    together, labelled = (_pair_sums(members, marks) for marks in (present, mask))
    shares = np.divide(together, labelled, out=np.zeros_like(together), where=labelled > 0)
    rate = shares.sum(axis=0) / np.maximum((labelled > 0).sum(axis=0), 1)
    complete = np.ones(rate.shape, bool)
    return Prior(complete if topology is None else topology, row_stochastic(rate))


def pair_counts(
    aus: Shaped[np.ndarray, "clips aus"], mask: Shaped[np.ndarray, "clips aus"]
) -> tuple[Int[np.ndarray, "aus aus"], Int[np.ndarray, "aus aus"]]:
    """Numbers of clips that show both AUs, and of clips in which both are labelled; those of several sites add up.

    Args:
        aus: 1 where an AU is present, 0 where not; anything where it is not labelled.
        mask: 1 where it is labelled.

    Raises:
        ValueError: a labelled entry is neither 0 nor 1, shapes differ, or there is no clip.

    >>> together, labelled = pair_counts(np.array([[1, 1], [1, 0]]), np.ones((2, 2)))
    >>> together.tolist(), labelled.tolist()
    ([[2, 1], [1, 1]], [[2, 2], [2, 2]])
    """
    aus, mask = np.asarray(aus, float), np.asarray(mask, float)
    check_annotations(aus, mask, np.zeros(len(aus), int))
    present = np.where(mask == 1, aus, 0).astype(int)
    known = mask.astype(int)
    return present.T @ present, known.T @ known


def from_pair_counts(
    together: Int[np.ndarray, "aus aus"],
    labelled: Int[np.ndarray, "aus aus"],
    *,
    topology: Bool[np.ndarray, "aus aus"] | None = None,
) -> Prior:
    """The prior of ``from_annotations`` without subjects, from sums of ``pair_counts``: nobody shows annotations.

    Args:
        together: clips that show both AUs.
        labelled: clips in which both are labelled.
        topology: who may attend to whom; by default every AU to every AU.

    Raises:
        ValueError: counts that no clips have.

    >>> site_a, site_b = (pair_counts(np.array(aus), np.ones((2, 2))) for aus in ([[1, 1], [1, 0]], [[1, 0], [0, 1]]))
    >>> from_pair_counts(*(one + other for one, other in zip(site_a, site_b))).statistics.tolist()
    [[0.75, 0.25], [0.3333333333333333, 0.6666666666666666]]
    """
    if together.shape != labelled.shape or not ((together >= 0) & (together <= labelled)).all():
        raise ValueError("counts of pairs of AUs: each must be between 0 and the number of clips that label both")
    rate = np.divide(together, labelled, out=np.zeros(together.shape), where=labelled > 0)
    complete = np.ones(rate.shape, bool)
    return Prior(complete if topology is None else topology, row_stochastic(rate))


def uniform(topology: Bool[Array | np.ndarray, "nodes nodes"]) -> Prior:
    """A topology with uniform statistics.

    >>> uniform(np.eye(2, dtype=bool)).statistics.tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    return Prior(topology, np.full(topology.shape, 1 / len(topology)))


def identity(num_nodes: int) -> Prior:
    """Every AU attends to itself alone."""
    return Prior(np.eye(num_nodes, dtype=bool), np.eye(num_nodes))


def learned(logits: Float[Array, "nodes nodes"], topology: Bool[Array | np.ndarray, "nodes nodes"]) -> Prior:
    """Statistics as parameters: row softmax of the logits over the neighbours, 0 elsewhere.

    Args:
        logits: parameters, any real numbers; without a link they have no effect and no gradient.
        topology: who may attend to whom; a node without neighbours has a uniform row, which attention ignores.

    >>> learned(jnp.zeros((2, 2)), np.array([[True, True], [False, True]])).statistics.tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    lowest = jnp.finfo(jnp.asarray(logits).dtype).min
    return Prior(topology, jax.nn.softmax(jnp.where(topology, logits, lowest), axis=-1))


def start_logits(prior: Prior) -> Float[Array, "nodes nodes"]:
    """Logits for which ``learned`` returns this prior, restricted to its own topology.

    Shares below 1e-6 are raised to 1e-6, because the gradient at 0 vanishes.
    """
    return jnp.log(jnp.maximum(restrict(prior, prior.topology).statistics, SMALLEST_SHARE))


def _pair_sums(
    members: Float[np.ndarray, "subjects clips"], marks: Float[np.ndarray, "clips aus"]
) -> Float[np.ndarray, "subjects aus aus"]:
    pairs = marks[:, :, None] * marks[:, None, :]
    return (members @ pairs.reshape(len(marks), -1)).reshape(-1, *pairs.shape[1:])
