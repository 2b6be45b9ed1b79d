"""Sites that fit a line to a few numbers, for tests of a federation without its network."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from deployment.coordinator import Ask, Coordinator, Plan
from deployment.participant import Participant, Site, Training, flat
from deployment.payload import Payload, Refused
from fedpsyau_jax.federated import (
    ClientData,
    FedState,
    Problem,
    Received,
    Strategy,
    TrainTest,
    client_round,
    federated,
    fori_batches,
    keep_state,
    label_by_path,
    local_training,
    masked_mean,
)
from fedpsyau_jax.federated import Round as RoundOf
from fedpsyau_jax.types import Array, Batch, ClientState

SIZES = (5, 2, 4, 3)
FOUR = ("lab-a", "lab-b", "lab-c", "lab-d")
NAMES = FOUR[:3]
KEY = jax.random.key(7)
MakeStrategy = Callable[[Any], Strategy]


def loss(params: Any, model_state: Any, batch: Batch, key: Array) -> Any:
    """Squared error of a line, with a running mean as model state."""
    x, y = batch.examples
    error = masked_mean((x @ params["slope"] + params["offset"] - y) ** 2, batch.mask)
    return error, ({"mean": 0.9 * model_state["mean"] + 0.1 * masked_mean(y, batch.mask)}, {"seen": batch.mask.sum()})


UPDATE = local_training(
    loss, optax.scale_by_adam(), optax.constant_schedule(0.05), batch_size=3, local_epochs=2,
    optimizer_state=keep_state, loop=fori_batches,
)  # fmt: skip
PROBLEM = Problem(lambda params: label_by_path(params, {"head": lambda path: path[-1] == "offset"}), loss, batch_size=3)


def evaluate(client: ClientState, test: Batch) -> dict[str, Array]:
    """Sums over the test examples."""
    x, y = test.examples
    return {"test_error_sum": ((x @ client.params["slope"] + client.params["offset"] - y) ** 2 * test.mask).sum()}


def initial_client() -> ClientState:
    return ClientState({"slope": jnp.ones(2), "offset": jnp.zeros(())}, {"mean": jnp.zeros(())})


def data_of(place: int, longest: int) -> TrainTest:
    """A site's own numbers, padded to the longest."""
    rows = np.zeros((longest, 3), np.float32)
    rows[: SIZES[place]] = np.random.default_rng(place).normal(size=(SIZES[place], 3))
    mask = jnp.asarray(np.arange(longest) < SIZES[place], jnp.float32)
    x, y = jnp.asarray(rows[:, :2]), jnp.asarray(rows[:, 2])
    return TrainTest(jnp.int32(place), ClientData(jnp.int32(place), (x, y), mask), Batch((x[:2], y[:2]), mask[:2]))


@cache
def training_of(make: MakeStrategy, sites: int, start: Callable[[], ClientState]) -> Callable[[int, int], Training]:
    """What all sites have in common, compiled once: a function of whose data, and their length."""
    strategy = make(jnp.ones(sites))
    update = UPDATE if strategy.client is None else strategy.client(UPDATE, PROBLEM)
    client = start()
    memory = update.init(client)
    of_client = jax.jit(client_round(strategy, UPDATE, PROBLEM, evaluate))

    def training(own: int, longest: int) -> Training:
        data = data_of(own, longest)
        sent = Received(strategy.mu[0], client.params, None if strategy.messages is None else update.message(memory))
        now = RoundOf(jnp.int32(0), KEY, strategy.anchored_at_start, client.params)
        _, metrics = jax.eval_shape(of_client, (client, memory), (sent, data), now)
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), flat(metrics))
        labels = PROBLEM.groups_of(client.params)
        return Training(strategy, client, memory, data, of_client, update.message, labels, KEY, zeros)

    return training


def site(own: int, make: MakeStrategy, facts: Mapping[str, str]) -> Site:
    """A site; ``own`` says whose numbers it has."""

    def training(place: int, totals: Mapping[str, np.ndarray], longest: int, sites: int) -> Training:
        assert totals["examples"] == sum(SIZES[:sites])
        made = training_of(make, sites, initial_client)(own, longest)
        return made._replace(data=made.data._replace(id=jnp.int32(place)))

    return Site(facts, {"examples": np.int32(SIZES[own])}, training)


class Laboratory:
    """A site in this process, that can be killed; all that a new one has is its folder."""

    def __init__(self, folder: Path, own: int, make: MakeStrategy, facts: Mapping[str, str]) -> None:
        self.folder, self.own, self.make, self.facts = folder, own, make, facts
        self.sent: list[Payload] = []
        self.restart()

    def restart(self) -> None:
        self.participant = Participant(self.folder, lambda settings: site(self.own, self.make, self.facts))

    def answer(self, question: Payload) -> Payload:
        self.sent.append(answer := self.participant.answer(question))
        return answer


class Network:
    """Asks laboratories; ``disturb(name, question)`` may restart one, raise, or give another answer."""

    def __init__(self, laboratories: Mapping[str, Laboratory]) -> None:
        self.laboratories = laboratories
        self.disturb: Callable[[str, Payload], Payload | Refused | None] = lambda name, question: None
        self.away: set[tuple[str, int]] = set()

    def ask(self, questions: Mapping[str, Payload], seconds: float) -> Iterator[tuple[str, Payload | Refused]]:
        for name in sorted(questions, reverse=True):
            if (name, questions[name].facts.get("round")) in self.away:
                continue
            answer = self.disturb(name, questions[name])
            yield name, self.laboratories[name].answer(questions[name]) if answer is None else answer


def laboratories(folder: Path, make: MakeStrategy, **other: Mapping[str, str]) -> dict[str, Laboratory]:
    """One for each name; ``other``: facts of single ones."""
    return {
        name: Laboratory(folder / name, own, make, other.get(name.replace("-", "_"), {"classes": "2"}))
        for own, name in enumerate(NAMES)
    }


def plan(make: MakeStrategy, rounds: int, patience: float) -> Plan:
    return Plan("abc123", NAMES, "{}", {"classes": "2"}, make, KEY, rounds, patience)


def coordinator(
    folder: Path, ask: Ask, make: MakeStrategy, rounds: int = 3, patience: float = 60.0
) -> tuple[Coordinator, list[str]]:
    said: list[str] = []
    return Coordinator(folder / "server", plan(make, rounds, patience), ask, said.append), said


@cache
def program_of(make: MakeStrategy, sites: int) -> tuple[FedState, Callable[..., tuple[FedState, Any]]]:
    """The state before round 0, and the step, compiled once."""
    strategy = make(jnp.asarray(SIZES[:sites], jnp.float32))
    algorithm = federated(strategy, UPDATE, problem=PROBLEM, evaluate=evaluate)
    return algorithm.init(initial_client()), jax.jit(algorithm.step)


def simulated(make: MakeStrategy, rounds: int, sites: int = len(NAMES)) -> FedState:
    """The same federation as one program."""
    own = (data_of(place, max(SIZES[:sites])) for place in range(sites))
    data = jax.tree.map(lambda *leaves: jnp.stack(leaves), *own)
    state, step = program_of(make, sites)
    for _ in range(rounds):
        state, _ = step(state, data, KEY)
    return state


def model_at(laboratory: Laboratory) -> list[np.ndarray]:
    """The leaves of a site's weights, as its folder has them."""
    with np.load(laboratory.folder / "abc123" / "memory.npz") as file:
        return [file["own/0"], file["own/1"]]
