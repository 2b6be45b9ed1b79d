"""A server and sites that exchange messages are the simulation, whatever is killed meanwhile."""

import random
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from toy_sites import NAMES, Laboratory, MakeStrategy, Network, coordinator, laboratories, model_at, simulated

from deployment.payload import Payload
from fedpsyau_jax.federated import (
    algorithms,
    anchored_at_start,
    averaging,
    fedavg,
    fedprox,
    local_only,
    p_fedprox,
    with_participation,
)

ROUNDS = 3
STRATEGIES: dict[str, MakeStrategy] = {
    "fedavg": fedavg,
    "fedprox": partial(fedprox, mu=0.2),
    "p_fedprox": partial(p_fedprox, mu=0.2),
    "released": lambda sizes: anchored_at_start(p_fedprox(sizes, 0.2)),
    "statistics": lambda sizes: fedavg(sizes)._replace(statistics=averaging(sizes)),
    "sampled": lambda sizes: with_participation(fedavg(sizes), sizes, 0.5),
    "local": local_only,
    "fedbn": algorithms.fedbn,
    "fedper": algorithms.fedper,
    "ditto": lambda sizes: algorithms.ditto(sizes, 0.1),
    "apfl": lambda sizes: algorithms.apfl(sizes, 0.3),
    "fedala": algorithms.fedala,
    "scaffold": algorithms.scaffold,
    "fedadam": lambda sizes: algorithms.fedadam(sizes, 0.1),
    "feddyn": lambda sizes: algorithms.feddyn(sizes, 0.1),
    "q_fedavg": lambda sizes: algorithms.q_fedavg(sizes, 0.5, 10.0),
}
QUICK = ("p_fedprox",)
CASES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in STRATEGIES]


def run(folder: Path, make: MakeStrategy, rounds: int = ROUNDS) -> tuple[dict[str, Laboratory], list[str]]:
    sites = laboratories(folder, make)
    server, said = coordinator(folder, Network(sites).ask, make, rounds)
    assert [one.number for one in server.rounds()] == list(range(rounds))
    return sites, said


def assert_equal_to_simulation(sites: dict[str, Laboratory], make: MakeStrategy) -> None:
    desired = jax.tree.leaves(simulated(make, ROUNDS).clients.params)
    for place, name in enumerate(NAMES):
        for ours, theirs in zip(model_at(sites[name]), desired, strict=True):
            np.testing.assert_array_equal(ours, theirs[place], err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_weights_at_the_sites_are_those_of_the_simulation(name: str, tmp_path: Path) -> None:
    sites, said = run(tmp_path, STRATEGIES[name])
    assert said == []
    assert_equal_to_simulation(sites, STRATEGIES[name])


@pytest.mark.slow
def test_no_kill_of_a_site_or_the_server_loses_a_round(tmp_path: Path) -> None:
    make = STRATEGIES["released"]
    sites = laboratories(tmp_path, make)
    network, draws = Network(sites), random.Random(0)
    kills = 0

    def restart(name: str, question: Payload) -> None:
        nonlocal kills
        for one in (name, draws.choice(NAMES)):
            if draws.random() < 0.9:
                sites[one].restart()
                kills += 1
        if draws.random() < 0.5:  # killed after its training, before its answer arrived
            sites[name].answer(question)
            sites[name].restart()
            kills += 1

    network.disturb = restart
    for _ in range(ROUNDS):  # the server ends after each round; a new one has nothing but its folder
        server, said = coordinator(tmp_path, network.ask, make, ROUNDS)
        assert next(iter(server.rounds())).took_part.all()
        assert said == []
    assert kills >= 20
    assert_equal_to_simulation(sites, make)


def test_what_the_server_learns_are_sums(tmp_path: Path) -> None:
    sites = laboratories(tmp_path, fedavg)
    server, _ = coordinator(tmp_path, Network(sites).ask, fedavg, rounds=1)
    (only,) = server.rounds()
    assert only.metrics["test_error_sum"].shape == (len(NAMES),)
    assert (only.metrics["test_error_sum"] > 0).all()
    for laboratory in sites.values():
        names = {name.split("/")[0] for answer in laboratory.sent for name in answer.arrays}
        assert names == {"counts", "weights", "labels", "metrics"}
        facts = {name for answer in laboratory.sent for name in answer.facts}
        assert facts == {"classes", "network", "round"}
