"""Statistical tests of which action units occur together, and what they say about a topology."""

from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import false_discovery_control

from fedpsyau_jax.priors.action_units import ACTION_UNITS, UPPER, UPPER_NAMES
from fedpsyau_jax.priors.annotation_table import AnnotationTable, check_annotations
from fedpsyau_jax.priors.contingency import (
    OddsRatio,
    expected_together,
    margins,
    odds_ratio,
    odds_ratio_within,
    pairs_of,
    phi,
    smallest_p,
    strata_of,
    tables,
)
from fedpsyau_jax.priors.permutation import permutation_p
from fedpsyau_jax.priors.prior import Priors
from fedpsyau_jax.types import Bool, Float, Int

Finding = Literal["together", "apart", "undecided", "too rare"]
Verdict = Literal["supported", "contradicted", "undecided", "too rare"]
AGREES: dict[tuple[Finding, bool], Verdict] = {
    ("together", True): "supported",
    ("apart", True): "contradicted",
    ("together", False): "contradicted",
    ("apart", False): "supported",
}


class Coordination(NamedTuple):
    """Every pair of AUs once, [pairs]; the order of the pairs is that of ``contingency.pairs_of``.

    Attributes:
        first: index of one AU among those of the table.
        second: index of the other one.
        num_clips: clips in which both are labelled; the other counts are among these.
        num_subjects: subjects with such a clip.
        num_first: clips with the first AU.
        num_second: clips with the second AU.
        num_both: clips with both.
        expected_both: expected number if the AUs were independent within each subject.
        second_given_first: num_both / num_first; NaN where 0 / 0.
        first_given_second: num_both / num_second.
        phi: correlation between the presence of the two.
        odds_ratio: of all clips, as if they were independent.
        odds_ratio_within: each subject compared with itself.
        p: of the permutation test within subjects, two-sided.
        smallest_p: the smallest value that p could reach; see ``contingency.smallest_p``.
        q: p after Benjamini-Hochberg over the pairs that are not too rare; NaN for those that are.
        finding: "together" or "apart" where q <= level; "too rare" where smallest_p > level; else "undecided".
    """

    first: Int[np.ndarray, "pairs"]
    second: Int[np.ndarray, "pairs"]
    num_clips: Int[np.ndarray, "pairs"]
    num_subjects: Int[np.ndarray, "pairs"]
    num_first: Int[np.ndarray, "pairs"]
    num_second: Int[np.ndarray, "pairs"]
    num_both: Int[np.ndarray, "pairs"]
    expected_both: Float[np.ndarray, "pairs"]
    second_given_first: Float[np.ndarray, "pairs"]
    first_given_second: Float[np.ndarray, "pairs"]
    phi: Float[np.ndarray, "pairs"]
    odds_ratio: OddsRatio
    odds_ratio_within: OddsRatio
    p: Float[np.ndarray, "pairs"]
    smallest_p: Float[np.ndarray, "pairs"]
    q: Float[np.ndarray, "pairs"]
    finding: np.ndarray


def coordination(
    table: AnnotationTable, generator: np.random.Generator, *, level: float = 0.05, num_permutations: int = 9999
) -> Coordination:
    """Test for every pair of AUs whether they occur together more, or less, often than by chance within subjects.

    Args:
        table: annotations; AUs that are not labelled in a clip are left out of its pairs.
        generator: draws the permutations.
        level: false-discovery rate, in (0, 1).
        num_permutations: of the test; with fewer than pairs / level, a single pair cannot become significant.

    Raises:
        ValueError: a labelled entry is neither 0 nor 1, shapes differ, or there is no clip.

    Source: Benjamini & Hochberg (1995). Pairs that cannot reach the level are left out; this keeps the rate, because
    the choice depends only on how often each AU occurs: Tarone (1990).
    """
    check_annotations(table.aus, table.mask, table.subject)
    table = table._replace(aus=np.where(table.mask == 1, table.aus, 0))
    strata = strata_of(table.subject, table.mask)
    cells = tables(table.aus, table.mask, strata)
    pooled = cells.sum(axis=0)
    total, first, second = margins(pooled)
    least = smallest_p(cells)
    p = permutation_p(table.aus, table.mask, strata, num_permutations, generator)
    q = adjusted(p, testable=least <= level)
    expected = expected_together(cells)
    return Coordination(
        *pairs_of(table.aus.shape[1]),
        num_clips=total,
        num_subjects=_num_subjects(table),
        num_first=first,
        num_second=second,
        num_both=pooled[:, 0],
        expected_both=expected,
        second_given_first=_share(pooled[:, 0], first),
        first_given_second=_share(pooled[:, 0], second),
        phi=phi(pooled),
        odds_ratio=odds_ratio(pooled),
        odds_ratio_within=odds_ratio_within(cells),
        p=p,
        smallest_p=least,
        q=q,
        finding=np.select(
            [np.isnan(q), q > level, pooled[:, 0] > expected], ["too rare", "undecided", "together"], "apart"
        ),
    )


def adjusted(p: Float[np.ndarray, "pairs"], testable: Bool[np.ndarray, "pairs"]) -> Float[np.ndarray, "pairs"]:
    """Benjamini-Hochberg over the testable pairs; NaN for the others.

    >>> adjusted(np.array([0.01, 0.5, 0.04]), np.array([True, False, True])).tolist()
    [0.02, nan, 0.04]
    """
    q = np.full(p.shape, np.nan)
    if testable.any():
        q[testable] = false_discovery_control(p[testable])
    return q


def topology_of(found: Coordination, num_aus: int) -> Bool[np.ndarray, "aus aus"]:
    """The graph that links the pairs found together, in both directions, and every AU with itself."""
    links = np.eye(num_aus, dtype=bool)
    together = found.finding == "together"
    links[found.first, found.second] = links[found.second, found.first] = together
    return links


def all_links(priors: Priors) -> Bool[np.ndarray, "aus=12 aus"]:
    """Merge three topologies: within the upper and the lower face its own, between them the global one."""
    links = np.array(priors.global_.topology)
    upper = np.arange(len(ACTION_UNITS)) < len(UPPER)
    links[np.ix_(upper, upper)] = priors.upper.topology
    links[np.ix_(~upper, ~upper)] = priors.lower.topology
    return links


def verdicts(finding: np.ndarray, links: Bool[np.ndarray, "pairs"]) -> list[Verdict]:
    """What the findings say about a topology that has, or lacks, a link for each pair.

    A link claims that two AUs occur together, its absence that they do not. Supported: found together and linked, or
    found apart and not linked. Contradicted: the reverse. Undecided and too rare pairs stay so.

    >>> verdicts(np.array(["together", "together", "apart", "too rare"]), np.array([True, False, True, True]))
    ['supported', 'contradicted', 'contradicted', 'too rare']
    """
    return [AGREES.get((found, bool(link)), found) for found, link in zip(finding.tolist(), links, strict=True)]


def face_part(one: int, other: int) -> str:
    """The part of the face of a pair of AUs of ``action_units.NAMES``: "upper", "lower" or "across".

    >>> face_part(1, 2), face_part(12, 25), face_part(6, 12)
    ('upper', 'lower', 'across')
    """
    upper = [au in UPPER_NAMES for au in (one, other)]
    return "upper" if all(upper) else "across" if any(upper) else "lower"


def _share(part: Int[np.ndarray, "pairs"], whole: Int[np.ndarray, "pairs"]) -> Float[np.ndarray, "pairs"]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _num_subjects(table: AnnotationTable) -> Int[np.ndarray, "pairs"]:
    number = np.unique(table.subject, return_inverse=True)[1]
    by_subject = tables(table.aus, table.mask, number)
    return (by_subject.sum(axis=-1) > 0).sum(axis=0)
