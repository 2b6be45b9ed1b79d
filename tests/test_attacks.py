"""Membership inference on networks made of normal distributions, whose best attack is known in closed form."""

import doctest
from functools import partial

import numpy as np
import pytest
from scipy.special import expit, logsumexp, ndtr
from scipy.stats import norm

from fedpsyau_jax.attacks import (
    Trials,
    auc,
    audited_epsilon,
    by_subject,
    leave_pair_out,
    lira,
    log_odds,
    resolvable,
    rmia,
    roc,
    tpr_at,
)

SHADOWS, EXAMPLES, SPREAD = 32, 300, 0.7


def halves(draw: np.random.Generator, examples: int = EXAMPLES) -> np.ndarray:
    """[shadows, examples] who is in: a half, and the other half in the next shadow."""
    first = np.stack([draw.permutation(np.arange(examples) % 2 == 0) for _ in range(SHADOWS // 2)])
    return np.stack([first, ~first], axis=1).reshape(SHADOWS, examples)


def gaussian(gap: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log odds [shadows, examples] that are ``gap`` standard deviations larger for members; each example has its own
    level."""
    draw = np.random.default_rng(seed)
    member = halves(draw)
    level = draw.normal(size=EXAMPLES) * 3
    return level + SPREAD * (gap * member + draw.normal(size=member.shape)), member


def attacked(attack: object, odds: np.ndarray, member: np.ndarray) -> np.ndarray:
    return np.stack([attack(odds[one], odds[rest], member[rest]) for one, rest in leave_pair_out(len(odds))])


def area(scores: np.ndarray, member: np.ndarray) -> float:
    return float(auc(roc(scores.ravel(), member.ravel())))


def against_others(seed: int = 5) -> object:
    others = np.random.default_rng(seed).normal(size=(200,)) * 3
    noise = SPREAD * np.random.default_rng(seed + 1).normal(size=(SHADOWS, 200))
    return partial(rmia, target_others=others + noise[0], shadow_others=others + noise[2:])


def test_log_odds_are_those_of_the_softmax() -> None:
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(size=(4, 9, 5)), draw.integers(0, 5, 9)
    share = np.exp(logits - logsumexp(logits, axis=-1, keepdims=True))[:, np.arange(9), labels]
    np.testing.assert_allclose(log_odds(logits, labels), np.log(share / (1 - share)))


def test_the_likelihood_ratio_is_that_of_the_normal_distributions_of_few_shadows() -> None:
    odds, member = gaussian(1.0)
    target, shadows, seen = odds[0], odds[2:], member[2:]
    within = [(shadows[:, n][seen[:, n] == who], who) for n in range(EXAMPLES) for who in (True, False)]
    squares = {who: sum(((v - v.mean()) ** 2).sum() for v, w in within if w == who) for who in (True, False)}
    freedom = {who: sum(len(v) - 1 for v, w in within if w == who) for who in (True, False)}
    spread = {who: np.sqrt(squares[who] / freedom[who]) for who in squares}
    means = {who: np.array([v.mean() for v, w in within if w == who]) for who in squares}
    logs = {who: norm.logpdf(target, means[who], spread[who]) for who in squares}
    np.testing.assert_allclose(lira(target, shadows, seen), logs[True] - logs[False])


def test_with_many_shadows_each_example_has_its_own_variance() -> None:
    draw = np.random.default_rng(0)
    shadows, member = draw.normal(size=(64, 1)) * 2, np.arange(64)[:, None] < 32
    inside, outside = (norm(v.mean(), v.std(ddof=1)) for v in (shadows[:32, 0], shadows[32:, 0]))
    expected = inside.logpdf(0.3) - outside.logpdf(0.3)
    assert lira(np.array([0.3]), shadows, member)[0] == pytest.approx(expected)


@pytest.mark.parametrize("gap", [0.0, 1.0, 2.5])
def test_lira_does_as_well_as_the_best_test_can(gap: float) -> None:
    odds, member = gaussian(gap)
    assert area(attacked(lira, odds, member), member) == pytest.approx(ndtr(gap / np.sqrt(2)), abs=0.02)


def test_rmia_is_at_chance_without_a_gap_and_finds_members_with_one() -> None:
    at_chance, found = (area(attacked(against_others(), *gaussian(gap)), gaussian(gap)[1]) for gap in (0.0, 2.5))
    assert at_chance == pytest.approx(0.5, abs=0.02)
    assert found > 0.8


def test_rmia_is_the_share_of_others_that_are_less_likely_by_gamma() -> None:
    odds, member = gaussian(1.0)
    others = np.random.default_rng(1).normal(size=(3, 20))
    given = {"target_others": others[0], "shadow_others": others[1:], "gamma": 1.3}
    scores = rmia(odds[0], odds[2:4], member[2:4], **given)
    usual = expit(odds[2:4]).mean(axis=0)
    ratio = (expit(odds[0]) / usual)[:, None] / (expit(others[0]) / expit(others[1:]).mean(axis=0))
    np.testing.assert_allclose(scores, (ratio >= 1.3).mean(axis=1))


@pytest.mark.parametrize("attack", [lira, against_others()], ids=["lira", "rmia"])
def test_the_order_of_examples_and_of_shadows_does_not_matter(attack: object) -> None:
    odds, member = gaussian(1.0)
    draw = np.random.default_rng(3)
    scores, order = attack(odds[0], odds[2:], member[2:]), draw.permutation(EXAMPLES)
    np.testing.assert_allclose(attack(odds[0][order], odds[2:][:, order], member[2:][:, order]), scores[order])
    if attack is lira:
        mixed = 2 + draw.permutation(SHADOWS - 2)
        np.testing.assert_allclose(lira(odds[0], odds[mixed], member[mixed]), scores)


def test_who_was_in_every_shadow_or_in_none_has_no_score() -> None:
    odds, member = gaussian(1.0)
    member[:, 0], member[:, 1] = True, False
    for attack in (lira, against_others()):
        scores = attack(odds[0], odds[2:], member[2:])
        assert np.isnan(scores[:2]).all()
        assert np.isfinite(scores[2:]).all()


@pytest.mark.parametrize("attack", [lira, against_others()], ids=["lira", "rmia"])
def test_the_number_of_shadows_with_somebody_gives_nothing_away(attack: object) -> None:
    """With three pairs, a target left out alone would leave two shadows with a member, and three with another."""
    areas = []
    for seed in range(60):
        odds, member = gaussian(0.0, seed)
        few, seen = odds[:6], member[:6]
        more = {} if attack is lira else {"shadow_others": attack.keywords["shadow_others"][:4]}
        areas.append(area(attacked(partial(attack, **more), few, seen), seen))
    assert np.mean(areas) == pytest.approx(0.5, abs=4 * np.std(areas) / np.sqrt(60))


def test_scores_of_a_subject_are_sums_or_means_of_its_clips() -> None:
    scores, subject = np.array([1.0, -2.0, 4.0, 7.0]), np.array([1, 0, 1, 2])
    assert by_subject(scores, subject, mean=False).tolist() == [-2, 5, 7]
    assert by_subject(scores, subject, mean=True).tolist() == [-2, 2.5, 7]


def test_more_clips_of_a_person_tell_more() -> None:
    odds, _ = gaussian(0.0)
    person = np.arange(EXAMPLES) // 3
    member = np.repeat(halves(np.random.default_rng(8), EXAMPLES // 3), 3, axis=1)
    scores = attacked(lira, odds + SPREAD * member, member)
    of_people = np.stack([by_subject(one, person, mean=False) for one in scores])
    best = ndtr(np.sqrt(3) / np.sqrt(2))  # three clips, each one standard deviation larger
    assert area(of_people, member[:, ::3]) == pytest.approx(best, abs=0.02)


def test_the_area_is_the_probability_of_the_right_order_and_draws_are_repeated_trials() -> None:
    draw = np.random.default_rng(0)
    scores, member = draw.integers(0, 6, 40).astype(float), draw.random(40) < 0.4
    pairs = scores[member][:, None] - scores[~member]
    assert auc(roc(scores, member)) == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    weights = draw.integers(0, 3, (5, 40))
    weighted = roc(scores, member, weights)
    for number, one in enumerate(weights):
        again = roc(np.repeat(scores, one), np.repeat(member, one))
        assert auc(weighted)[number] == pytest.approx(auc(again))
        assert tpr_at(weighted, 0.2)[number] == pytest.approx(tpr_at(again, 0.2))
    assert np.isnan(auc(roc(scores, member, np.where(member, 0, 1))))


def test_the_rate_at_few_false_positives_is_that_of_the_strictest_thresholds() -> None:
    others, members = np.arange(1000.0), np.array([2000.0, 998.5, 998.5, 500.0])
    scores, member = np.append(others, members), np.arange(1004) >= 1000
    curve = roc(scores, member)
    assert [float(tpr_at(curve, rate)) for rate in (0.0, 0.001, 0.5)] == [0.25, 0.75, 1.0]
    assert not resolvable(0.001, 999)


def randomised(epsilon: float, trials: int, seed: int) -> Trials:
    """Randomised response: a member says so with the odds e^epsilon; its epsilon is known."""
    draw = np.random.default_rng(seed)
    member = draw.random(trials) < 0.5
    truth = draw.random(trials) < expit(epsilon)
    return Trials(np.where(truth, member, ~member).astype(float), member)


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 3.0])
def test_the_audit_exceeds_a_known_epsilon_no_oftener_than_its_confidence_says(epsilon: float) -> None:
    bounds = np.array(
        [audited_epsilon(randomised(epsilon, 400, n), randomised(epsilon, 400, 1000 + n), 0.0, 0.9) for n in range(200)]
    )
    assert (bounds > epsilon).mean() <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 200)
    assert bounds.mean() > epsilon / 2 - 0.1


def test_the_audit_takes_delta_off_and_comes_close_with_many_trials() -> None:
    choice, test = (randomised(2.0, 100_000, seed) for seed in (1, 2))
    assert 1.9 < audited_epsilon(choice, test) < 2.0
    assert audited_epsilon(choice, test, delta=0.2) < audited_epsilon(choice, test)


def test_the_audit_uses_whichever_direction_tells_more() -> None:
    """Half of the members are sure to be members; nobody is sure to be none: only one direction has small errors."""
    member = np.arange(1000) % 2 == 0
    for sign, kind in ((1, member), (-1, ~member)):
        scores = sign * np.where(kind & (np.arange(1000) % 4 < 2), 1.0, 0.0)
        assert audited_epsilon(Trials(scores, member), Trials(scores, member)) > 3
    assert np.isnan(audited_epsilon(Trials(np.ones(2), np.ones(2, bool)), Trials(np.ones(2), np.ones(2, bool))))


def test_the_example_of_the_page_runs() -> None:
    result = doctest.testfile("../docs/attacks.md")
    assert result.attempted > 5
    assert result.failed == 0
