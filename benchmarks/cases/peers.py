"""The same federation on digits in other libraries, each in an environment of its own: seconds a round and accuracy."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.cases import Plan
from benchmarks.cases.loops import mean
from benchmarks.children import Child, ChildEnded, torch_python
from benchmarks.digits import (
    BATCH,
    EPOCHS,
    RATE,
    Digits,
    Network,
    accuracy,
    clients_of,
    digits,
    federation,
    network,
    operations,
)
from benchmarks.floors import planned_bytes, rates
from benchmarks.peers.protocol import Problem, write
from benchmarks.records import Record, compared
from fedpsyau_jax.types import ClientState

OURS = "fedpsyau_jax"
SCRIPTS = {
    "torch": "torch_loop.py",
    "flower": "with_flower.py",
    "pfl": "with_pfl.py",
    "blazefl": "with_blazefl.py",
    "drjax": "with_drjax.py",
}
TITLES = {
    "torch": "PyTorch, a loop",
    "flower": "Flower simulation",
    "pfl": "pfl",
    "blazefl": "BlazeFL",
    "drjax": "DrJAX",
}

Answer = dict[str, Any]


def peers(plan: Plan) -> Iterator[Record]:
    """FedAvg, three local epochs of plain gradient descent in batches of 32, the same weights to start from."""
    for name in plan.sizes.networks:
        for count in plan.sizes.digit_clients:
            with TemporaryDirectory() as folder:
                yield from _compared(plan, name, count, Path(folder) / "problem.npz")


def _compared(plan: Plan, name: str, count: int, file: Path) -> Iterator[Record]:
    own, data = network(name), digits(count)
    write(file, Problem(*data, name, own.weights, plan.sizes.digit_rounds, EPOCHS, BATCH, RATE))
    with ExitStack() as children:
        ours, program = trained(own, data, plan.sizes.digit_rounds)
        asked: dict[str, Callable[[], Answer]] = {OURS: ours}
        for peer, python in _pythons(plan).items():
            asked[peer] = children.enter_context(Child(python, SCRIPTS[peer], str(file))).ask
        answers, ended = in_turns(asked, plan.turns, plan.budget)
    moved, needed = planned_bytes(program)
    floor = rates(plan.sizes).floor(operations(own, data.labels.size), moved)
    title = f"{name}, {count} clients"
    records = [_record(f"{title}: {TITLES.get(peer, peer)}", given, floor) for peer, given in answers.items()]
    yield from compared([records[0]._replace(megabytes=needed / 1e6), *records[1:]])
    for peer, words in ended.items():
        yield Record(f"{title}: {TITLES[peer]}", "", note=f"did not train: {words}")
    for peer in [peer for peer in SCRIPTS if peer not in asked]:
        yield Record(
            f"{title}: {TITLES[peer]}", "", note=f"not measured: --peer-python {peer}=PYTHON names its interpreter"
        )


def _pythons(plan: Plan) -> dict[str, Path]:
    known = {"torch": torch_python(plan.peers), **plan.peers}
    return {name: python for name, python in known.items() if python is not None and name in SCRIPTS}


def trained(own: Network, data: Digits, rounds: int) -> tuple[Callable[[], Answer], Any]:
    """What our own training answers, a program called for each round; and that program."""
    clients = clients_of(data)
    algorithm = federation(own, clients)
    first = algorithm.init(ClientState(jax.tree.map(jnp.asarray, own.weights), ()))
    start = perf_counter()
    step = jax.jit(algorithm.step).lower(first, clients, jax.random.key(0)).compile()
    compiling = perf_counter() - start

    def train() -> Answer:
        state, seconds = first, []
        for _ in range(rounds):
            begun = perf_counter()
            state, _ = jax.block_until_ready(step(state, clients, jax.random.key(0)))
            seconds.append(perf_counter() - begun)
        reached = accuracy(own, mean(state.clients.params), data)
        return {"seconds": seconds, "accuracy": reached, "compile_seconds": compiling}

    return train, step


def in_turns(
    asked: dict[str, Callable[[], Answer]], turns: int, budget: float
) -> tuple[dict[str, list[Answer]], dict[str, str]]:
    """The answers of all turns but the first, in which everything is loaded; and last words of those that ended."""
    answers: dict[str, list[Answer]] = {name: [] for name in asked}
    ended: dict[str, str] = {}
    end = perf_counter() + budget
    turn = 0
    while turn <= turns and (turn < 2 or perf_counter() < end):
        for name in [name for name in asked if name not in ended]:
            try:
                answer = asked[name]()
            except ChildEnded as problem:
                ended[name] = str(problem)
                del answers[name]
                continue
            answers[name] += [answer] if turn else []
        turn += 1
    return answers, ended


def _record(what: str, answers: list[Answer], floor: float) -> Record:
    """Seconds of a round in each turn: the median over its rounds but the first, which may hold more than training."""
    seconds = tuple(median(answer["seconds"][1:] or answer["seconds"]) for answer in answers)
    last = answers[-1]
    packages = ", ".join(f"{name} {version}" for name, version in last.get("packages", {}).items())
    return Record(
        *(what, "s a round", seconds),
        compile_seconds=last.get("compile_seconds"),
        megabytes=last.get("megabytes"),
        floor=floor,
        accuracy=last["accuracy"],
        note=packages,
    )
