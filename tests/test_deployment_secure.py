"""A federation of which the server learns sums only ends as the plain one, and survives what that survives."""

import random
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from toy_sites import FOUR, SIZES, MakeStrategy, Network, coordinator, laboratories, model_at, simulated

pytest.importorskip("flwr", reason="needs the extra flower")

from secure_sites import SecureLaboratory, secure_coordinator, secure_laboratories
from test_deployment_rounds import STRATEGIES as PLAIN

from deployment import fixed_point
from deployment.payload import Payload
from deployment.secure import PHASES, check_secure
from deployment.server import main as serve
from experiments.inputs.settings import FedSettings
from fedpsyau_jax.federated import algorithms, fedavg, p_fedprox

ROUNDS = 4
TOLERANCE = 2e-6
"""Of the weights, which are about 1, after all rounds: some last digits of float32 (1.2e-7)."""
STRATEGIES = {name: PLAIN[name] for name in ("fedavg", "fedprox", "p_fedprox", "released", "statistics")}


def run(folder: Path, make: MakeStrategy, rounds: int = ROUNDS) -> tuple[dict[str, SecureLaboratory], list]:
    sites = secure_laboratories(folder, make)
    server, said = secure_coordinator(folder, Network(sites), make, rounds)
    finished = list(server.rounds())
    assert said == []
    assert all(one.took_part.all() for one in finished)
    return sites, finished


def difference(sites: dict[str, SecureLaboratory], make: MakeStrategy, rounds: int = ROUNDS) -> float:
    """The largest, of all weights, between these sites and the simulation without secure aggregation."""
    desired = jax.tree.leaves(simulated(make, rounds, len(sites)).clients.params)
    pairs = [
        (ours, theirs[place])
        for place, name in enumerate(sites)
        for ours, theirs in zip(model_at(sites[name]), desired, strict=True)
    ]
    return max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("name", STRATEGIES)
def test_weights_are_those_of_the_plain_federation(name: str, tmp_path: Path) -> None:
    make = STRATEGIES[name]
    sites, _ = run(tmp_path, make)
    largest = difference(sites, make)
    print(f"{name}: after {ROUNDS} rounds weights differ from the plain federation's by at most {largest:.1e}")
    assert 0 <= largest <= TOLERANCE
    assert difference(sites, make, ROUNDS - 1) > 100 * TOLERANCE  # a round more or less would be seen


@pytest.mark.slow
def test_the_server_learns_the_sums_of_the_plain_federation(tmp_path: Path) -> None:
    _, (only,) = run(tmp_path / "secure", fedavg, rounds=1)
    plain = laboratories(tmp_path / "plain", fedavg)
    server, _ = coordinator(tmp_path / "plain", Network(plain).ask, fedavg, rounds=1)
    (shown,) = server.rounds()
    assert only.metrics.keys() == shown.metrics.keys()
    fourth = secure_laboratories(tmp_path / "fourth", fedavg)  # the plain federation has three sites
    server, _ = secure_coordinator(tmp_path / "fourth", Network(dict(list(fourth.items())[:3])), fedavg, rounds=1)
    for site in fourth.values():
        peers = dict(list(site.identity.peers.items())[:3])
        site.identity = site.identity._replace(peers=peers)
        site.restart()
    (three,) = server.rounds()
    for name, value in three.metrics.items():
        assert value.dtype == shown.metrics[name].dtype
        np.testing.assert_allclose(value, shown.metrics[name].sum(axis=0, keepdims=True), rtol=1e-6)


@pytest.mark.slow
def test_no_byte_that_the_server_receives_of_a_round_shows_weights(tmp_path: Path) -> None:
    sites, _ = run(tmp_path, partial(p_fedprox, mu=0.2), rounds=2)
    for place, site in enumerate(sites.values()):
        in_rounds = [one for one in site.sent if one.facts.get("round", -1) >= 0]
        assert {one.kind for one in in_rounds} == {"trained", *PHASES.values()}
        assert all(one.arrays == {} for one in in_rounds if one.kind == "trained")
        received = b"".join(repr((one.kind, one.facts)).encode() for one in in_rounds)
        received += b"".join(array.tobytes() for one in in_rounds for array in one.arrays.values())
        masked = [one.arrays["masked"] for one in in_rounds if one.kind == "masked"]
        assert masked[-1].tobytes() in received  # what is received is looked at
        weights = np.concatenate([leaf.ravel() for leaf in model_at(site)])
        for number in weights:
            for form in (number, np.float64(number), fixed_point.encoded(SIZES[place] * np.float64(number), 4).numbers):
                assert np.asarray(form).tobytes() not in received
        in_steps = fixed_point.encoded(SIZES[place] * weights.astype(np.float64), 4).numbers
        noise = masked[-1][: len(weights)].view(np.int64).astype(float) / in_steps
        assert (np.abs(noise) > 2**8).all()  # 64 bits of a mask, 35 of a weight


def test_counts_of_one_site_are_not_shown_either(tmp_path: Path) -> None:
    sites, _ = run(tmp_path, fedavg, rounds=1)
    for site in sites.values():
        (joined,) = [one for one in site.sent if one.kind == "joined"]
        assert joined.arrays.keys() == {"counts/examples"}


@pytest.mark.slow
def test_no_kill_of_a_site_or_the_server_loses_a_round(tmp_path: Path) -> None:
    """A site that is killed while it trains; a server that is killed in any phase, or between two rounds."""
    make = STRATEGIES["p_fedprox"]
    sites = secure_laboratories(tmp_path, make)
    network, draws, kills = Network(sites), random.Random(0), []

    class Killed(Exception):
        pass

    def disturb(name: str, question: Payload) -> None:
        if question.kind in ("join", "begin", "round") and draws.random() < 0.5:
            sites[name].answer(question)  # killed before its answer arrived
            sites[name].restart()
            kills.append(question.kind)
        if question.facts["run"] and question.kind in PHASES and draws.random() < 0.06:
            kills.append(question.kind)
            raise Killed

    network.disturb = disturb
    finished = 0
    while finished < ROUNDS:
        server, said = secure_coordinator(tmp_path, network, make, ROUNDS)
        try:
            one = next(iter(server.rounds()))
        except Killed:
            continue
        finished = one.number + 1
        assert one.took_part.all(), said
    assert {*kills} >= {"round", *PHASES}
    assert difference(sites, make) <= TOLERANCE


@pytest.mark.slow
def test_a_site_that_is_killed_within_a_sum_is_left_out_and_comes_back(tmp_path: Path) -> None:
    make = partial(p_fedprox, mu=0.0, self_weight=0.5)
    sites = secure_laboratories(tmp_path, make)
    network, asked = Network(sites), {}

    def disturb(name: str, question: Payload) -> None:
        if question.kind == "mask" and question.facts["round"] == 0 and name == "lab-b":
            sites[name].restart()
        if question.kind == "round":
            asked[name] = question

    network.disturb = disturb
    server, said = secure_coordinator(tmp_path, network, make, 2)
    rounds = server.rounds()
    assert next(rounds).took_part.tolist() == [1, 0, 1, 1]
    (why,) = said
    assert why.startswith("lab-b is left out of the sum: this site has no secrets of this attempt")
    weights = {name: np.concatenate([leaf.ravel() for leaf in model_at(site)]) for name, site in sites.items()}
    assert next(rounds).took_part.all()
    assert asked["lab-b"].facts["included"] == 0
    heard = [place for place, name in enumerate(FOUR) if name != "lab-b"]
    total = sum(SIZES[place] * weights[FOUR[place]].astype(float) for place in heard)
    np.testing.assert_allclose(asked["lab-b"].arrays["sum"] * fixed_point.STEP, total, rtol=1e-6)
    start = sites["lab-b"].participant._start(asked["lab-b"], {"weights/0": weights["lab-b"]}, 0)
    mean = total / sum(SIZES[place] for place in heard)
    np.testing.assert_allclose(start["weights/0"], (weights["lab-b"] + mean) / 2, rtol=1e-6)


def test_too_few_sites_end_the_round_in_one_sentence(tmp_path: Path) -> None:
    network = Network(secure_laboratories(tmp_path, fedavg))
    network.away = {("lab-a", 0), ("lab-c", 0)}
    server, said = secure_coordinator(tmp_path, network, fedavg, 1)
    with pytest.raises(ValueError, match="only lab-b and lab-d could be in the sum, which must be of 3 sites at least"):
        next(iter(server.rounds()))
    assert len(said) == 2
    network.away = set()
    server, said = secure_coordinator(tmp_path, network, fedavg, 1)
    assert next(iter(server.rounds())).took_part.all()  # started again


def test_a_round_whose_sum_was_begun_is_repeated_with_the_same_sites(tmp_path: Path) -> None:
    network = Network(secure_laboratories(tmp_path, fedavg))

    class Killed(Exception):
        pass

    def kill(name: str, question: Payload) -> None:
        if question.kind == "unmask" and question.facts["round"] == 0:
            raise Killed

    network.disturb = kill
    server, _ = secure_coordinator(tmp_path, network, fedavg, 1)
    with pytest.raises(Killed):
        next(iter(server.rounds()))
    network.disturb, network.away = lambda name, question: None, {("lab-c", 0)}
    server, _ = secure_coordinator(tmp_path, network, fedavg, 1)
    with pytest.raises(ValueError, match="must be repeated with the same sites: start lab-c, and the server again"):
        next(iter(server.rounds()))


def test_what_is_clipped_is_announced_at_both_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sites = secure_laboratories(tmp_path, fedavg)
    network = Network(sites)

    def narrow(name: str, question: Payload) -> None:
        if question.kind == "round":
            monkeypatch.setattr(fixed_point, "TOTAL", 16)

    network.disturb = narrow
    server, said = secure_coordinator(tmp_path, network, fedavg, 1)
    next(iter(server.rounds()))
    clipped = [int(one.split()[2]) for site in sites.values() for one in site.said]
    assert clipped
    assert said == [f"Round 0: {sum(clipped)} numbers of sites lay beyond 4 and were clipped."]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_site_whose_weights_are_not_finite_is_left_out(bad: float, tmp_path: Path) -> None:
    sites = secure_laboratories(tmp_path, fedavg)
    network = Network(sites)

    def disturb(name: str, question: Payload) -> None:
        if (name, question.kind) == ("lab-d", "round"):
            training = sites[name].participant.training
            broken = lambda *given: jax.tree.map(lambda leaf: leaf * bad, training.update(*given))  # noqa: E731
            sites[name].participant.training = training._replace(update=broken)

    network.disturb = disturb
    server, said = secure_coordinator(tmp_path, network, fedavg, 1)
    assert next(iter(server.rounds())).took_part.tolist() == [1, 1, 1, 0]
    (why,) = said
    assert why.startswith("Round 0: lab-d is left out: ")
    assert "not finite" in why


@pytest.mark.parametrize("make", [algorithms.fedbn, algorithms.scaffold, algorithms.fedala])
def test_the_server_refuses_algorithms_that_need_more(make: MakeStrategy, tmp_path: Path) -> None:
    server, _ = secure_coordinator(tmp_path, Network(secure_laboratories(tmp_path, make)), make, 1)
    with pytest.raises(ValueError, match="needs more than the sum of all sites' weights: choose fedavg, fedprox or p-"):
        next(iter(server.rounds()))


def test_a_secure_federation_has_three_sites(tmp_path: Path) -> None:
    network = Network(secure_laboratories(tmp_path, fedavg, FOUR[:2]))
    server, _ = secure_coordinator(tmp_path, network, fedavg, 1)
    with pytest.raises(ValueError, match="--secure with 2 enrolled: of fewer than 3 sites one learns from the sum"):
        next(iter(server.rounds()))


@pytest.mark.slow
def test_settings_that_need_more_than_sums_are_refused_at_the_start() -> None:
    for name in ("scaffold", "local", "fedbn"):
        with pytest.raises(ValueError, match="this algorithm needs more; choose fedavg, fedprox, p-fedprox"):
            serve(["--secure", f"--algorithms={name}"])
    with pytest.raises(ValueError, match="with --secure all sites take part; leave it out"):
        check_secure(replace(FedSettings(algorithms=("fedavg",)), participation=0.5))


def test_neither_kind_of_site_takes_part_in_the_other_kind_of_federation(tmp_path: Path) -> None:
    for name, (sites, make) in {
        "the server wants secure aggregation": (laboratories(tmp_path / "a", fedavg), secure_coordinator),
        "only if the server was started with --secure": (secure_laboratories(tmp_path / "b", fedavg), None),
    }.items():
        network = Network(sites)
        folder = tmp_path / name[:3]
        server, said = make(folder, network, fedavg, 1) if make else coordinator(folder, network.ask, fedavg)
        with pytest.raises(ValueError, match="did not join"):
            next(iter(server.rounds()))
        assert all(name in one for one in said)
        assert {answer.kind for site in sites.values() for answer in site.sent} == {"refused"}
