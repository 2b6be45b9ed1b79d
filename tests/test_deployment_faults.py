"""Sites that stay away, do not belong to the federation or send what is wrong: left out, and named."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from toy_sites import NAMES, SIZES, Network, coordinator, laboratories

from deployment.payload import Payload, Refused, check_size
from fedpsyau_jax.federated import fedavg

OFFSET, SLOPE = "weights/0", "weights/1"


def changed(answer: Payload, **arrays: np.ndarray | None) -> Payload:
    merged = {**answer.arrays, **{name.replace("__", "/"): one for name, one in arrays.items()}}
    return answer._replace(arrays={name: one for name, one in merged.items() if one is not None})


@pytest.mark.slow
def test_a_site_that_stays_away_is_left_out_of_the_mean(tmp_path: Path) -> None:
    sites = laboratories(tmp_path, fedavg)
    network = Network(sites)
    network.away = {("lab-b", 0)}
    asked: dict[str, Payload] = {}
    network.disturb = lambda name, question: asked.update({f"{name} {question.facts.get('round')}": question})
    server, said = coordinator(tmp_path, network.ask, fedavg, rounds=2)
    first, second = server.rounds()
    assert said == ["Round 0: lab-b is left out: no answer within 60 seconds."]
    assert first.took_part.tolist() == [1, 0, 1]
    assert second.took_part.tolist() == [1, 1, 1]
    a, c = (answer_of(sites[name].sent, 0).arrays[SLOPE] for name in ("lab-a", "lab-c"))
    for name in NAMES:  # the absent one, too, receives the mean of those that were there
        expected = (SIZES[0] * a + SIZES[2] * c) / (SIZES[0] + SIZES[2])
        np.testing.assert_allclose(asked[f"{name} 1"].arrays[SLOPE], expected, rtol=1e-6)


def answer_of(sent: list[Payload], number: int) -> Payload:
    (answer,) = [one for one in sent if one.kind == "trained" and one.facts["round"] == number]
    return answer


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"weights__1": np.zeros(3, np.float32)}, "weights/1 has shape (3,) and dtype float32, not (2,) and float32"),
        ({"weights__1": np.zeros(2)}, "weights/1 has shape (2,) and dtype float64, not (2,) and float32"),
        ({"weights__0": np.full((), np.nan, np.float32)}, "weights/0 holds a number that is not finite"),
        ({"weights__1": None}, "weights/1 is missing"),
        ({"names__0": np.zeros(1)}, "names/0 is unexpected"),
        ({"metrics__seen": np.zeros(9)}, "metrics/seen is missing, of another shape or dtype, or not finite"),
    ],
)
def test_a_wrong_message_is_refused_and_named(wrong: dict, why: str, tmp_path: Path) -> None:
    sites = laboratories(tmp_path, fedavg)
    network = Network(sites)

    def disturb(name: str, question: Payload) -> Payload | None:
        if name != "lab-c" or question.kind != "round":
            return None
        return changed(sites[name].answer(question), **wrong)

    network.disturb = disturb
    server, said = coordinator(tmp_path, network.ask, fedavg, rounds=1)
    (only,) = server.rounds()
    assert said == [f"Round 0: lab-c is left out: {why}."]
    assert only.took_part.tolist() == [1, 1, 0]


def test_a_message_over_the_limit_is_refused() -> None:
    with pytest.raises(Refused, match="the message has 800 bytes of arrays; at most 799 are accepted"):
        check_size(Payload("trained", {}, {SLOPE: np.zeros(100)}), largest=799)


def test_a_site_with_other_facts_is_refused_and_named(tmp_path: Path) -> None:
    network = Network(laboratories(tmp_path, fedavg, lab_b={"classes": "3"}))
    server, said = coordinator(tmp_path, network.ask, fedavg)
    with pytest.raises(ValueError, match="lab-b did not join within 60 seconds: start it, or take its key out of"):
        next(iter(server.rounds()))
    assert said == ["lab-b is refused: its classes is 3, but here it is 2."]


def test_a_site_with_another_network_is_refused_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import toy_sites

    sites = laboratories(tmp_path, fedavg)
    network = Network(sites)
    usual = toy_sites.initial_client

    def disturb(name: str, question: Payload) -> None:
        wide = lambda: usual()._replace(params={"slope": jnp.ones(2), "offset": jnp.full((), 9.0)})  # noqa: E731
        monkeypatch.setattr(toy_sites, "initial_client", usual if name != "lab-a" else wide)

    network.disturb = disturb
    server, said = coordinator(tmp_path, network.ask, fedavg)
    with pytest.raises(ValueError, match="lab-a did not join"):
        next(iter(server.rounds()))
    assert len(said) == 1
    assert said[0].startswith("lab-a is refused: its network is ")


def test_a_site_without_its_memory_says_so(tmp_path: Path) -> None:
    sites = laboratories(tmp_path, fedavg)
    network = Network(sites)
    server, said = coordinator(tmp_path, network.ask, fedavg, rounds=2)
    rounds = server.rounds()
    next(rounds)
    sites["lab-a"].folder = tmp_path / "elsewhere"
    sites["lab-a"].restart()
    assert next(rounds).took_part.tolist() == [0, 1, 1]
    assert said == ["Round 1: lab-a is left out: this site has no memory of this federation: restore its folder."]


def test_a_site_is_never_behind_the_server(tmp_path: Path) -> None:
    sites = laboratories(tmp_path, fedavg)
    server, _ = coordinator(tmp_path, Network(sites).ask, fedavg, rounds=2)
    list(server.rounds())
    weights = {OFFSET: np.zeros((), np.float32), SLOPE: np.ones(2, np.float32), "mu/0": np.float32(0)}
    answer = sites["lab-a"].answer(Payload("round", {"run": "abc123", "round": 0}, weights))
    assert answer.facts["why"] == "the server asks for round 0, but this site has finished round 1"
