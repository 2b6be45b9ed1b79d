"""Secure sums: what the server gets of one site is noise, of all of them the exact sum, and of too few nothing."""

from pathlib import Path

import numpy as np
import pytest
from toy_sites import FOUR, Network

pytest.importorskip("flwr", reason="needs the extra flower")

from secure_sites import Adder, adders, random_numbers, summed

from deployment import masks
from deployment.fixed_point import STEP, decoded, encoded, limit
from deployment.payload import Payload, Refused
from deployment.secure import listed, quorum

FIVE = (*FOUR, "lab-e")


def away(network: Network, *names: str, kind: str) -> None:
    """These sites are dead from a phase on."""
    gone: set[str] = set()

    def disturb(name: str, question: Payload) -> Refused | None:
        if question.kind == kind and name in names:
            gone.add(name)
        return Refused("it is dead") if name in gone else None

    network.disturb = disturb


def masked_by(site: Adder) -> np.ndarray:
    (answer,) = [one for one in site.sent if one.kind == "masked"]
    return answer.arrays["masked"]


def test_the_sum_is_exact(tmp_path: Path) -> None:
    numbers, said = random_numbers(), []
    result = summed(Network(adders(tmp_path, numbers)), said)
    assert (said, result.names) == ([], list(FOUR))
    np.testing.assert_array_equal(result.total, sum(numbers.values()))


def test_a_masked_message_is_uniform_noise(tmp_path: Path) -> None:
    """The same numbers twice: every bit is a fair coin, and messages have nothing in common with them or each other."""
    length = 20_000
    numbers = {name: np.full(length, round(0.25 / STEP)) for name in FOUR}
    sent = []
    for attempt in ("one", "two"):
        sites = adders(tmp_path / attempt, numbers)
        summed(Network(sites), [])
        sent.append(masked_by(sites["lab-a"]))
        own = numbers["lab-a"].view(np.uint64)
        for noise in (sent[-1], sent[-1] - own):
            bits = np.unpackbits(noise.view(np.uint8)).reshape(length, 64).astype(float)
            assert (np.abs(bits.mean(axis=0) - 0.5) < 6 * 0.5 / np.sqrt(length)).all()
            counts = np.bincount(noise.view(np.uint8), minlength=256)
            expected = 8 * length / 256
            assert ((counts - expected) ** 2 / expected).sum() < 255 + 6 * np.sqrt(2 * 255)
    assert not (sent[0] == sent[1]).any()
    correlation = np.corrcoef(sent[0].astype(float), sent[1].astype(float))[0, 1]
    assert abs(correlation) < 6 / np.sqrt(length)


def test_a_mask_uses_all_of_its_seed() -> None:
    seed = bytearray(masks.fresh_seed())
    first = masks.mask(bytes(seed), 4)
    for place in range(len(seed)):
        seed[place] ^= 1
        assert not (masks.mask(bytes(seed), 4) == first).any()
        seed[place] ^= 1
    np.testing.assert_array_equal(masks.mask(bytes(seed), 4), first)


@pytest.mark.parametrize("kind", ["keys", "shares", "mask"])
def test_the_sum_is_that_of_the_sites_that_stayed(kind: str, tmp_path: Path) -> None:
    numbers, said = random_numbers(), []
    network = Network(adders(tmp_path, numbers))
    away(network, "lab-b", kind=kind)
    result = summed(network, said)
    assert result.names == ["lab-a", "lab-c", "lab-d"]
    np.testing.assert_array_equal(result.total, sum(numbers[name] for name in result.names))
    assert said == ["lab-b is left out of the sum: it is dead."]


def test_a_site_that_is_gone_after_masking_does_not_lose_the_sum(tmp_path: Path) -> None:
    numbers, said = random_numbers(), []
    network = Network(adders(tmp_path, numbers))
    away(network, "lab-b", kind="unmask")
    result = summed(network, said)
    assert result.names == list(FOUR)
    np.testing.assert_array_equal(result.total, sum(numbers.values()))


@pytest.mark.parametrize("kind", ["keys", "shares", "mask"])
def test_of_too_few_sites_nothing_is_revealed(kind: str, tmp_path: Path) -> None:
    network = Network(adders(tmp_path, random_numbers()))
    away(network, "lab-a", "lab-b", kind=kind)
    with pytest.raises(ValueError, match="only lab-c and lab-d could be in the sum, which must be of 3 sites at least"):
        summed(network, [])
    kinds = {answer.kind for site in network.laboratories.values() for answer in site.sent}
    assert "unmasked" not in kinds


def test_a_site_refuses_a_sum_of_too_few(tmp_path: Path) -> None:
    network = Network(adders(tmp_path, random_numbers()))
    questions: dict[str, Payload] = {}
    network.disturb = lambda name, question: questions.__setitem__(question.kind, question)
    summed(network, [])
    site, last = network.laboratories["lab-a"], questions["unmask"]
    fewer = last._replace(facts={**last.facts, "here": listed(["lab-a", "lab-b"]), "gone": listed(["lab-c", "lab-d"])})
    site.masking.attempt.answers.pop("unmask")
    assert "the sum would be that of 2 sites, and at least 3 must be in it" in site.answer(fewer).facts["why"]


def test_both_kinds_of_shares_of_a_site_are_refused(tmp_path: Path) -> None:
    """At once, or one after the other."""
    asked: list[Payload] = []
    network = Network(adders(tmp_path, random_numbers()))

    def disturb(name: str, question: Payload) -> Payload | None:
        if name != "lab-a" or question.kind != "unmask":
            return None
        both = question._replace(facts={**question.facts, "gone": listed(["lab-b"])})
        asked.append(network.laboratories["lab-a"].answer(both))
        answer = network.laboratories["lab-a"].answer(question)
        here = listed(["lab-a", "lab-c", "lab-d"])
        later = question._replace(facts={**question.facts, "here": here, "gone": listed(["lab-b"])})
        asked.append(network.laboratories["lab-a"].answer(later))
        return answer

    network.disturb = disturb
    summed(network, [])
    at_once, later = (answer.facts["why"] for answer in asked)
    assert at_once == ("the server asks for both kinds of shares of lab-b: together they would show its numbers")
    assert later == "the server asked for 'unmask' with other contents before: a mask is used once"


def test_no_second_sum_of_a_round_is_revealed(tmp_path: Path) -> None:
    """The difference of the sums of two attempts at one round would be the numbers of a site."""
    sites, said = adders(tmp_path, random_numbers()), []
    summed(Network(sites), said, number=4)
    again = Network(sites)
    away(again, "lab-b", kind="mask")
    with pytest.raises(ValueError, match="only no site could be in the sum"):
        summed(again, said, number=4)
    assert said[-1].startswith("lab-a is left out of the sum: this site has helped to reveal the sum of lab-a and")
    whole = summed(Network(sites), [], number=4)  # the same sites, with other masks
    np.testing.assert_array_equal(whole.total, sum(site.numbers for site in sites.values()))
    summed(again, said, number=5)


def test_every_attempt_has_fresh_masks(tmp_path: Path) -> None:
    sites = adders(tmp_path, random_numbers())
    for number in (0, 0, 1):
        summed(Network(sites), [], number=number)
    for kind, names in (("signed", ("sealing", "masking")), ("masked", ("masked",))):
        of_attempts = [one for one in sites["lab-a"].sent if one.kind == kind]
        assert len(of_attempts) == 3
        for name in names:
            assert len({one.arrays[name].tobytes() for one in of_attempts}) == 3


def test_a_question_asked_again_has_the_same_answer_and_another_none(tmp_path: Path) -> None:
    network = Network(adders(tmp_path, random_numbers()))
    seen: list[tuple[Payload, Payload, Payload]] = []

    def disturb(name: str, question: Payload) -> Payload:
        first, second = (network.laboratories[name].answer(question) for _ in range(2))
        assert first is second
        if question.kind == "mask":
            fewer = question._replace(arrays=dict(list(question.arrays.items())[:2]))
            seen.append((question, first, network.laboratories[name].answer(fewer)))
        return first

    network.disturb = disturb
    summed(network, [])
    assert len(seen) == len(FOUR)
    assert all(other.kind == "refused" for _, _, other in seen)


def test_keys_that_a_site_did_not_sign_are_refused(tmp_path: Path) -> None:
    """The server cannot sit between two sites."""
    network = Network(adders(tmp_path, random_numbers()))

    def disturb(name: str, question: Payload) -> Payload | None:
        if question.kind != "shares" or name != "lab-a":
            return None
        forged = {"lab-b/sealing": np.frombuffer(masks.fresh_pair().public, np.uint8)}
        return network.laboratories[name].answer(question._replace(arrays={**question.arrays, **forged}))

    network.disturb, said = disturb, []
    assert summed(network, said).names == ["lab-b", "lab-c", "lab-d"]
    assert said == [
        "lab-a is left out of the sum: the keys that the server gives as those of lab-b were not signed by it."
    ]


def test_a_share_that_was_changed_is_refused(tmp_path: Path) -> None:
    network = Network(adders(tmp_path, random_numbers()))

    def disturb(name: str, question: Payload) -> Payload | None:
        if question.kind != "mask" or name != "lab-a":
            return None
        changed = question.arrays["lab-b"].copy()
        changed[40] ^= 1
        return network.laboratories[name].answer(question._replace(arrays={**question.arrays, "lab-b": changed}))

    network.disturb, said = disturb, []
    assert summed(network, said).names == ["lab-b", "lab-c", "lab-d"]
    assert said == [
        "lab-a is left out of the sum: a sealed share was not made for this site, or was changed on its way."
    ]


def test_wrong_shares_are_seen_in_the_sum(tmp_path: Path) -> None:
    network = Network(adders(tmp_path, random_numbers(FIVE)))

    def disturb(name: str, question: Payload) -> Payload | None:
        if question.kind != "unmask" or name != "lab-a":
            return None
        answer = network.laboratories[name].answer(question)
        wrong = {one: np.append(array[:4], array[4:][::-1]) for one, array in answer.arrays.items()}
        return answer._replace(arrays=wrong)

    network.disturb = disturb
    with pytest.raises(Refused, match=r"shares do not fit together|larger than sums of sites can be"):
        decoded(summed(network, []).total)


@pytest.mark.parametrize("sites", [3, 5, 64])
def test_numbers_are_rounded_to_the_nearest_step(sites: int) -> None:
    values = np.random.default_rng(0).normal(size=1000) * 100
    numbers, clipped = encoded(values, sites)
    assert clipped == 0
    assert np.abs(decoded(numbers) - values).max() <= STEP / 2


def test_what_is_clipped_is_counted_and_what_is_not_finite_refused() -> None:
    most = limit(4)
    numbers, clipped = encoded(np.array([0.0, most, most + 1.0, -2.0 * most]), 4)
    assert clipped == 2
    np.testing.assert_array_equal(decoded(numbers), [0, most, most, -most])
    for bad in (np.nan, np.inf):
        with pytest.raises(Refused, match="not finite"):
            encoded(np.array([bad]), 4)
    with pytest.raises(Refused, match="larger than sums of sites can be"):
        decoded(np.array([2**61]))


def test_with_a_third_of_the_sites_a_server_does_not_get_both_kinds_of_shares() -> None:
    for sites in range(3, 100):
        needed, on_its_side = quorum(sites), sites // 3
        assert 3 <= needed <= sites
        assert (sites - on_its_side) + 2 * on_its_side < 2 * needed
        assert needed - on_its_side >= 2  # honest sites in each sum
