"""A site's part of a federation: it answers the server's questions from its own data and its own memory."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deployment.payload import Payload, Refused, arrays_of, check_size, tree_like
from deployment.storage import load, save
from fedpsyau_jax.federated import ClientRound, Received, Round, Strategy
from fedpsyau_jax.types import ClientState, PRNGKeyArray, PyTree

__all__ = ["Counts", "Own", "Participant", "Site", "Training", "site_round"]

Counts = Mapping[str, np.ndarray]


class Training(NamedTuple):
    """A client's training at a site.

    ``strategy``: of the federation, of which a site uses what is not a matrix; ``client``, ``memory``: before round 0;
    ``data``: of the client, with its id; ``update``: from ``client_round``; ``message(memory)``: sent besides weights;
    ``labels``: groups of the weights, or None; ``key``: of the federation; ``metrics``: names and zeros of what
    ``update`` reports.
    """

    strategy: Strategy
    client: ClientState
    memory: PyTree
    data: Any
    update: ClientRound
    message: Callable[[PyTree], PyTree]
    labels: PyTree | None
    key: PRNGKeyArray
    metrics: Mapping[str, np.ndarray]


class Site(NamedTuple):
    """A site that has read its data.

    ``facts``: what must be equal at all sites, by name; ``counts``: of its training data, for the server to add up;
    ``training(place, counts of all sites, longest training set, number of sites)``.
    """

    facts: Mapping[str, str]
    counts: Counts
    training: Callable[[int, Counts, int, int], Training]


class Own(NamedTuple):
    """What a site keeps between rounds: its model, and its memory."""

    client: ClientState
    memory: PyTree


def site_round(
    training: Training, own: Own, received: Mapping[str, np.ndarray], number: int
) -> tuple[Own, dict[str, np.ndarray]]:
    """One round at a site: the same function of one client that the simulation maps over all.

    Args:
        training: of the site.
        own: its model and memory after its last round.
        received: ``weights``, and as the algorithm has it ``statistics``, ``anchor``, ``heard``; and ``mu``.
        number: of the round, from 0.

    Returns:
        Its model and memory now; and the reply: ``weights``, and as the algorithm has it ``statistics`` and
        ``message``; and sums of ``metrics``.

    Raises:
        Refused: something received is missing, of another shape or dtype, or not finite.
    """
    strategy, like = training.strategy, training.client
    start = tree_like("weights", like.params, received)
    state = own.client.model_state
    if strategy.statistics is not None:
        state = tree_like("statistics", like.model_state, received)
    sent = Received(
        jnp.asarray(tree_like("mu", np.zeros((), strategy.mu.dtype), received)),
        None if strategy.anchor is None else tree_like("anchor", like.params, received),
        None if strategy.messages is None else tree_like("heard", training.message(training.memory), received),
    )
    first = None if strategy.anchored_at_start is None else like.params
    now = Round(jnp.int32(number), jax.random.fold_in(training.key, number), strategy.anchored_at_start, first)
    before = jax.tree.map(jnp.asarray, (ClientState(start, state), own.memory))
    (client, memory), metrics = training.update(before, (sent, training.data), now)
    return Own(client, memory), reply_of(training, Own(client, memory), flat(metrics))


def reply_of(training: Training, own: Own, metrics: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a site sends after a round: weights and sums, nothing else."""
    reply = arrays_of("weights", own.client.params)
    if training.strategy.statistics is not None:
        reply |= arrays_of("statistics", own.client.model_state)
    if training.strategy.messages is not None:
        reply |= arrays_of("message", training.message(own.memory))
    return reply | {f"metrics/{name}": np.asarray(value) for name, value in metrics.items()}


def flat(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics with those of the evaluation among them."""
    return {name: value for name, value in metrics.items() if name != "evaluation"} | dict(
        metrics.get("evaluation", {})
    )


class Participant:
    """A site that answers questions. What it must know after a restart lies in its folder."""

    secure = False
    otherwise = "the server wants secure aggregation: give the keys of all sites as --peers"

    def __init__(self, folder: Path, join: Callable[[str], Site]) -> None:
        """Take up where the last process of this site ended.

        Args:
            folder: of the site, for its memory.
            join: from the settings that the server announces to a site that has read its data.
        """
        self.folder, self.join = folder, join
        self.site: Site | None = None
        self.training: Training | None = None
        self.run = ""
        if (joined := load(folder / "joined.npz")) is not None:
            self._join(joined)
            if (begun := load(folder / str(self.run) / "begun.npz")) is not None:
                self._begin(begun)

    def answer(self, question: Payload) -> Payload:
        """The answer to a question; what cannot be done is refused in one sentence."""
        try:
            check_size(question)
            return self._answers()[question.kind](question)
        except KeyError:
            return _refusal(f"this site does not know what '{question.kind}' is: it has another version")
        except ValueError as error:
            return _refusal(str(error))

    def _answers(self) -> Mapping[str, Callable[[Payload], Payload]]:
        return {"join": self._asked_to_join, "begin": self._asked_to_begin, "round": self._asked_for_a_round}

    def _asked_to_join(self, question: Payload) -> Payload:
        if bool(question.facts.get("secure", 0)) != self.secure:
            raise Refused(self.otherwise)
        site = self._join(question)
        save(self.folder / "joined.npz", question)
        return Payload("joined", dict(site.facts), {f"counts/{name}": value for name, value in site.counts.items()})

    def _asked_to_begin(self, question: Payload) -> Payload:
        self._require_run(question)
        training = self._begin(question)
        save(self.folder / self.run / "begun.npz", question)
        own = Own(training.client, training.memory)
        arrays = reply_of(training, own, training.metrics)
        if training.labels is not None:
            arrays |= arrays_of("labels", training.labels)
        return Payload("begun", {"network": digest(training.client)}, arrays)

    def _asked_for_a_round(self, question: Payload) -> Payload:
        self._require_run(question)
        if (training := self.training) is None:
            raise Refused("this site has not begun the federation")
        number, path = int(question.facts["round"]), self.folder / self.run / "memory.npz"
        finished = load(path)
        done = -1 if finished is None else int(finished.facts["round"])
        if finished is not None and done == number:
            return _reply(finished)
        if done > number:
            raise Refused(f"the server asks for round {number}, but this site has finished round {done}")
        own = Own(training.client, training.memory)
        if finished is not None:
            own = tree_like("own", own, finished.arrays)
        own, reply = site_round(training, own, self._received(question, own, done), number)
        replied = {f"reply/{name}": array for name, array in reply.items()}
        finished = Payload("memory", {"round": number}, arrays_of("own", own) | replied)
        save(path, finished)
        return _reply(finished)

    def _received(self, question: Payload, own: Own, done: int) -> Mapping[str, np.ndarray]:
        """What a round starts from, at a site whose last round was ``done``."""
        del own, done
        return question.arrays

    def _join(self, question: Payload) -> Site:
        self.run, self.training = str(question.facts["run"]), None
        if not self.run.isalnum():
            raise Refused("the federation's name is not one")
        self.site = self.join(str(question.facts["settings"]))
        return self.site

    def _begin(self, question: Payload) -> Training:
        assert self.site is not None
        counts = {name.removeprefix("counts/"): array for name, array in question.arrays.items()}
        for name, value in self.site.counts.items():
            if name not in counts or counts[name].shape != value.shape:
                raise Refused(f"the sum of all sites' {name} is missing, or of another shape")
        place, longest, sites = (int(question.facts[name]) for name in ("place", "longest", "sites"))
        self.training = self.site.training(place, counts, longest, sites)
        return self.training

    def _require_run(self, question: Payload) -> None:
        if question.facts.get("run") != self.run:
            raise Refused("this site has no memory of this federation: restore its folder")


def digest(client: ClientState) -> str:
    """Of shapes, dtypes and values of a model before round 0: equal networks start from equal weights."""
    content = hashlib.sha256(str(jax.tree.structure(client)).encode())
    for leaf in jax.tree.leaves(client):
        content.update(f"{np.shape(leaf)} {leaf.dtype}".encode() + np.asarray(leaf).tobytes())
    return content.hexdigest()


def _reply(finished: Payload) -> Payload:
    prefix = "reply/"
    reply = {name.removeprefix(prefix): one for name, one in finished.arrays.items() if name.startswith(prefix)}
    return Payload("trained", {"round": finished.facts["round"]}, reply)


def _refusal(why: str) -> Payload:
    return Payload("refused", {"why": why}, {})
