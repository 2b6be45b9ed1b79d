"""The server's part of a federation: it gathers weights and sums of sites, mixes, and sends each site its own row."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from deployment.mixture import Begun, after_round, everyone, group_label, mixed, no_reports
from deployment.payload import Payload, Refused, arrays_of, tree_like
from deployment.replies import accepted, agreeing, alike, leaves, most_common, trained
from deployment.storage import load, save
from fedpsyau_jax.federated import FedState, Problem, Strategy, report_round
from fedpsyau_jax.federated.exchange import initial_server
from fedpsyau_jax.types import Array, ClientState, Float, PRNGKeyArray

__all__ = ["Ask", "Coordinator", "Plan", "Round"]

Ask: TypeAlias = Callable[[Mapping[str, Payload], float], Iterator[tuple[str, Payload | Refused]]]
"""``(questions by site, seconds)``: the answers, as they arrive; sites that are late are left out."""


class Plan(NamedTuple):
    """What the server decides.

    ``run``: name of the federation, new for each; ``names``: of the sites, in the order of their ids; ``settings``: as
    sites read them; ``facts``: that every site must have; ``strategy(examples [sites]) -> Strategy``; ``key``: of the
    federation; ``rounds``: how many; ``patience``: seconds to wait for a site in a round.
    """

    run: str
    names: Sequence[str]
    settings: str
    facts: Mapping[str, str]
    strategy: Callable[[Float[Array, "sites"]], Strategy]
    key: PRNGKeyArray
    rounds: int
    patience: float


class Round(NamedTuple):
    """What the server knows after a round: ``took_part`` [sites], and the sums of each site's ``metrics``."""

    number: int
    took_part: np.ndarray
    metrics: Mapping[str, np.ndarray]


class Coordinator:
    """A federation's server. What it must know after a restart lies in its folder."""

    secure = False

    def __init__(self, folder: Path, plan: Plan, ask: Ask, say: Callable[[str], None]) -> None:
        """Coordinate sites.

        Args:
            folder: for its state, which is written before each answer is used.
            plan: what the server decides.
            ask: how it reaches sites.
            say: where it names sites that are refused or left out.
        """
        self.folder, self.plan, self.ask, self.say = folder, plan, ask, say
        self.refused: dict[str, str] = {}

    def rounds(self) -> Iterator[Round]:
        """Run all rounds that are left.

        Raises:
            ValueError: a site did not join.
        """
        begun, answers = self._begin()
        state = self._state(begun, answers)
        serve = jax.jit(partial(mixed, begun.problem))
        took_part = self._took_part()
        for number in range(int(state.round), self.plan.rounds):
            state, finished = self._round(begun, serve, state, number, took_part)
            took_part = finished.took_part
            self._save(state, finished)
            yield finished

    def _begin(self) -> tuple[Begun, dict[str, Payload]]:
        joined = self._stored("joined", self._join)
        examples = [int(joined[name].arrays["counts/examples"]) for name in self.plan.names]
        begun = self._stored("begun", partial(self._ask_to_begin, joined))
        first = begun[self.plan.names[0]]
        like = {name: leaves(name, first.arrays) for name in ("weights", "statistics", "message", "labels")}
        zeros = {name.partition("/")[2]: one for name, one in first.arrays.items() if name.startswith("metrics/")}
        strategy = self.plan.strategy(jnp.asarray(examples, jnp.float32))
        labels = like["labels"]
        problem = Problem(labels=(lambda _: [group_label(one) for one in labels]) if labels else None)
        return Begun(strategy, problem, like, zeros, examples), begun

    def _join(self) -> dict[str, Payload]:
        run, settings = self.plan.run, self.plan.settings
        question = Payload("join", {"run": run, "settings": settings, "secure": int(self.secure)}, {})
        return self._everyone(dict.fromkeys(self.plan.names, question), "joined", self.plan.facts)

    def _ask_to_begin(self, joined: Mapping[str, Payload]) -> dict[str, Payload]:
        totals = self._totals(joined)
        longest = max(int(one.arrays["counts/examples"]) for one in joined.values())
        facts: dict[str, str | int | float] = {
            "run": self.plan.run,
            "longest": longest,
            "sites": len(self.plan.names),
        }
        questions = {
            name: Payload("begin", {**facts, "place": place}, totals) for place, name in enumerate(self.plan.names)
        }
        return self._everyone(questions, "begun", {})

    def _totals(self, joined: Mapping[str, Payload]) -> dict[str, np.ndarray]:
        names = sorted(joined[self.plan.names[0]].arrays)
        return {name: np.sum([one.arrays[name] for one in joined.values()], axis=0) for name in names}

    def _everyone(self, questions: Mapping[str, Payload], kind: str, expected: Mapping[str, str]) -> dict[str, Payload]:
        """The answers of all sites, which must agree; who differs from most others is refused."""
        answers: dict[str, Payload] = {}
        for name, answer in self.ask(questions, self.plan.patience):
            with self._refusing(name):
                answers[name] = agreeing(accepted(answer, kind), expected)
        usual = most_common([answers[name].facts for name in self.plan.names if name in answers])
        reference = next((name for name in self.plan.names if name in answers and answers[name].facts == usual), "")
        joined: dict[str, Payload] = {}
        for name in [name for name in self.plan.names if name in answers]:
            with self._refusing(name):
                joined[name] = alike(agreeing(answers[name], usual, f"at {reference}"), answers[reference])
        if missing := [name for name in self.plan.names if name not in joined]:
            raise ValueError(
                f"{' and '.join(missing)} did not join within {self.plan.patience:g} seconds: start it, or take its "
                "key out of the folder of enrolled sites, and start the server again"
            )
        return joined

    @contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            self.refused[name] = str(refused)
            self.say(f"{name} is refused: {refused}.")

    def _round(
        self, begun: Begun, serve: Callable[..., Any], state: FedState, number: int, before: np.ndarray
    ) -> tuple[FedState, Round]:
        strategy, ids = begun.strategy, jnp.arange(len(self.plan.names), dtype=jnp.int32)
        reports = state.reports
        if not before.all() and strategy.sampling is None:
            strategy = strategy._replace(sampling=Partial(everyone))
            reports = reports or no_reports(strategy)
        if reports is not None:
            reports = reports._replace(id=ids, took_part=jnp.asarray(before, strategy.mu.dtype))
        key = jax.random.fold_in(self.plan.key, number)
        sent = serve(strategy, state.clients, state.memory, state.server, reports, jnp.int32(number), key)
        answers = self._answers(begun, sent, number)
        clients, messages, metrics = after_round(begun, state, answers, self.plan.names)
        took_part = np.array([name in answers for name in self.plan.names], np.float32)
        if reports is not None and state.reports is not None:
            attended = jnp.asarray(took_part, strategy.mu.dtype)
            arrays = {name: jnp.asarray(value) for name, value in metrics.items()}
            weights = jax.tree.map(jnp.asarray, clients.params)
            reports = report_round(reports, attended, sent.clients.params, weights, arrays)
        kept = reports if state.reports is not None else None
        return FedState(jnp.int32(number + 1), clients, messages, None, sent.server, kept), Round(
            number, took_part, metrics
        )

    def _answers(self, begun: Begun, sent: Any, number: int) -> dict[str, Mapping[str, Any]]:
        questions = {
            name: self._question(begun, sent, place, number)
            for place, name in enumerate(self.plan.names)
            if sent.received.takes_part is None or sent.received.takes_part[place] > 0
        }
        answers = {}
        for name, answer in self.ask(questions, self.plan.patience):
            try:
                answers[name] = trained(begun.like, begun.metrics, accepted(answer, "trained"), number)
            except Refused as refused:
                self.say(f"Round {number}: {name} is left out: {refused}.")
                questions = {other: asked for other, asked in questions.items() if other != name}
        for name in questions:
            if name not in answers:
                self.say(f"Round {number}: {name} is left out: no answer within {self.plan.patience:g} seconds.")
        return answers

    def _question(self, begun: Begun, sent: Any, place: int, number: int) -> Payload:
        own = jax.tree.map(lambda leaf: np.asarray(leaf[place]), (sent.clients, sent.received))
        (client, received), strategy = own, begun.strategy
        arrays = arrays_of("weights", client.params) | arrays_of("mu", received.mu)
        if strategy.statistics is not None:
            arrays |= arrays_of("statistics", client.model_state)
        if strategy.anchor is not None:
            arrays |= arrays_of("anchor", received.anchor)
        if strategy.messages is not None:
            arrays |= arrays_of("heard", received.heard)
        return Payload("round", {"run": self.plan.run, "round": number}, arrays)

    def _stored(self, name: str, gather: Callable[[], dict[str, Payload]]) -> dict[str, Payload]:
        """The sites' answers to a question that is asked once."""
        paths = {site: self.folder / name / f"{site}.npz" for site in self.plan.names}
        stored = {site: load(path) for site, path in paths.items()}
        answers = {site: one for site, one in stored.items() if one is not None}
        if len(answers) < len(paths):
            answers = gather()
            for site, path in paths.items():
                save(path, answers[site])
        return answers

    def _state(self, begun: Begun, answers: Mapping[str, Payload]) -> FedState:
        first, number = begun.like, len(self.plan.names)

        def of_all(name: str) -> list[Array]:
            return [jnp.broadcast_to(leaf, (number, *leaf.shape)) for leaf in first[name]]

        sent = (leaves("message", answers[site].arrays) for site in self.plan.names)
        messages = [jnp.stack(of_sites) for of_sites in zip(*sent, strict=True)]
        weights, strategy = of_all("weights"), begun.strategy
        needed = strategy.rule is not None or strategy.sampling is not None
        state = FedState(
            jnp.int32(0),
            ClientState(weights, of_all("statistics")),
            messages,
            None,
            initial_server(strategy, weights),
            no_reports(strategy) if needed else None,
        )
        if (saved := load(self.folder / "state.npz")) is None:
            return state
        restored: FedState = jax.tree.map(jnp.asarray, tree_like("state", state, saved.arrays))
        return restored

    def _took_part(self) -> np.ndarray:
        saved = load(self.folder / "state.npz")
        return np.ones(len(self.plan.names), np.float32) if saved is None else saved.arrays["took_part"]

    def _save(self, state: FedState, finished: Round) -> None:
        took_part = {"took_part": finished.took_part}
        sums = Payload("sums", {"round": finished.number}, {**took_part, **finished.metrics})
        save(self.folder / "rounds" / f"{finished.number}.npz", sums)
        save(self.folder / "state.npz", Payload("state", {"run": self.plan.run}, arrays_of("state", state) | took_part))
