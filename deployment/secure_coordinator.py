"""The server of a federation with secure aggregation: of weights and metrics it has sums, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from deployment.coordinator import Coordinator, Round
from deployment.fixed_point import decoded, limit
from deployment.mixture import Begun
from deployment.payload import Payload, Refused, arrays_of
from deployment.replies import accepted
from deployment.secure import COUNTS, FEWEST, listed, named, quorum
from deployment.secure_sum import SecureSum, Summed
from deployment.storage import load, save
from fedpsyau_jax.federated import Strategy, averaging, dense, personalised
from fedpsyau_jax.types import Array, Float

__all__ = ["SecureCoordinator", "self_weight_of"]

PHASE_SECONDS = 120.0
"""To wait for a site in a phase of a sum; nothing is trained in it."""
SENT = ("weights", "statistics")
EXACT = 1e-6


class _State(NamedTuple):
    """After a round: the sum of the weights, each times the site's examples, of the sites that took part."""

    total: np.ndarray
    took_part: np.ndarray


class SecureCoordinator(Coordinator):
    """A federation's server that learns sums over sites only."""

    secure = True

    def rounds(self) -> Iterator[Round]:
        """Run all rounds that are left; ``metrics`` of a round are sums over all sites, leaves [1, ...].

        Raises:
            ValueError: a site did not join, too few take part in a round, or the algorithm needs more than sums.
        """
        if (sites := len(self.plan.names)) < FEWEST:
            raise ValueError(
                f"--secure with {sites} enrolled: of fewer than {FEWEST} sites one learns from the sum what another "
                "one sent; enrol more"
            )
        begun, _ = self._begin()
        share = self_weight_of(begun.strategy, jnp.asarray(begun.examples, jnp.float32))
        state, first = self._saved()
        for number in range(first, self.plan.rounds):
            trained = self._trained(begun, state, number, share)
            summed = self._sum(number, trained, _length(begun))
            state, finished = self._finished(begun, summed, number)
            self._save_sums(state, finished)
            yield finished

    def _saved(self) -> tuple[_State | None, int]:
        """After the last round that was finished, and the number of the next."""
        if (saved := load(self.folder / "state.npz")) is None:
            return None, 0
        return _State(saved.arrays["sum"], saved.arrays["took_part"]), int(saved.facts["round"]) + 1

    def _totals(self, joined: Mapping[str, Payload]) -> dict[str, np.ndarray]:
        """The sums of the sites' counts, which the server passes on without knowing what they count."""
        summed = self._sum(COUNTS, self.plan.names, None)
        if missing := sorted({*self.plan.names} - {*summed.names}):
            raise ValueError(f"{' and '.join(missing)} sent no counts: start it, and the server again")
        if decoded(summed.total)[-1]:
            raise ValueError(f"a site has counts beyond {limit(len(joined))}: secure aggregation cannot add them")
        examples = np.sum([one.arrays["counts/examples"] for one in joined.values()], axis=0)
        return {"counts/examples": examples, "sum": summed.total[:-1]}

    def _trained(self, begun: Begun, state: _State | None, number: int, share: float | None) -> list[str]:
        """The names of the sites that have trained in a round."""
        questions = {
            name: self._question_of(begun, state, number, place, share) for place, name in enumerate(self.plan.names)
        }
        trained: set[str] = set()
        refused: set[str] = set()
        for name, answer in self.ask(questions, self.plan.patience):
            try:
                if accepted(answer, "trained").facts.get("round") != number:
                    raise Refused("it answered for another round")
                trained.add(name)
            except Refused as why:
                refused.add(name)
                self.say(f"Round {number}: {name} is left out: {why}.")
        for name in self.plan.names:
            if name not in trained | refused:
                self.say(f"Round {number}: {name} is left out: no answer within {self.plan.patience:g} seconds.")
        return [name for name in self.plan.names if name in trained]

    def _question_of(self, begun: Begun, state: _State | None, number: int, place: int, share: float | None) -> Payload:
        facts: dict[str, str | int | float] = {"run": self.plan.run, "round": number}
        arrays = arrays_of("mu", np.asarray(begun.strategy.mu[place]))
        if state is not None:
            facts |= {"examples": int(np.dot(begun.examples, state.took_part)), "included": int(state.took_part[place])}
            facts |= {} if share is None else {"self_weight": share}
            arrays |= {"sum": state.total}
        return Payload("round", facts, arrays)

    def _sum(self, number: int, names: Sequence[str], length: int | None) -> Summed:
        """The sum of a round; an attempt that is repeated has other masks, and the same sites."""
        path = self.folder / "revealing.npz"
        before = load(path)
        if before is not None and before.facts["round"] == number:
            names = _same(names, named(before.facts["here"]), number)

        def revealing(here: list[str]) -> None:
            if before is not None and before.facts["round"] == number:
                _same(here, named(before.facts["here"]), number)
            save(path, Payload("revealing", {"round": number, "here": listed(here)}, {}))

        facts: dict[str, str | int | float] = {"run": self.plan.run, "round": number}
        needed, seconds = quorum(len(self.plan.names)), min(self.plan.patience, PHASE_SECONDS)
        return SecureSum(self.ask, self.say, facts, needed, seconds).of(names, length, revealing)

    def _finished(self, begun: Begun, summed: Summed, number: int) -> tuple[_State, Round]:
        values, start = decoded(summed.total), sum(leaf.size for leaf in _averaged(begun))
        took_part = np.array([name in summed.names for name in self.plan.names], np.float32)
        state = _State(summed.total[:start], took_part)
        if clipped := round(float(values[-1])):
            self.say(f"Round {number}: {clipped} numbers of sites lay beyond {limit(len(took_part))} and were clipped.")
        metrics = {}
        for name, zero in sorted(begun.metrics.items()):
            part = values[start : start + zero.size].reshape(1, *zero.shape)
            metrics[name], start = _as(part, zero.dtype), start + zero.size
        return state, Round(number, took_part, metrics)

    def _save_sums(self, state: _State, finished: Round) -> None:
        those = {"took_part": finished.took_part.sum(keepdims=True)}
        sums = Payload("sums", {"round": finished.number}, {**those, **finished.metrics})
        save(self.folder / "rounds" / f"{finished.number}.npz", sums)
        arrays = {"sum": state.total, "took_part": state.took_part}
        save(self.folder / "state.npz", Payload("state", {"run": self.plan.run, "round": finished.number}, arrays))


def self_weight_of(strategy: Strategy, examples: Float[Array, "sites"]) -> float | None:
    """Lambda of a strategy whose rows are lambda I + (1 - lambda) (the others, by size); None if they are means.

    Raises:
        ValueError: the strategy needs more than the sum of all sites' weights.

    >>> from fedpsyau_jax.federated import fedavg, p_fedprox
    >>> sizes = jnp.array([3.0, 1.0, 2.0])
    >>> self_weight_of(fedavg(sizes), sizes), self_weight_of(p_fedprox(sizes, 0.1, 0.5), sizes)
    (None, 0.5)
    """
    more = (strategy.anchor, strategy.messages, strategy.rule, strategy.outer, strategy.sampling, strategy.client)
    mixing, statistics = dense(strategy.mixing), dense(strategy.statistics)
    if all(one is None for one in more) and mixing.ndim == 2:
        share = float(mixing[0, 0])
        means, personal = averaging(examples), personalised(examples, share)
        alike = [one for one in (means, personal) if bool(jnp.allclose(mixing, one, rtol=0, atol=EXACT))]
        same = statistics is None or bool(jnp.allclose(statistics, mixing, rtol=0, atol=EXACT))
        if alike and same:
            return None if alike[0] is means else share
    raise ValueError("the algorithm needs more than the sum of all sites' weights: choose fedavg, fedprox or p-fedprox")


def _averaged(begun: Begun) -> list[np.ndarray]:
    names = SENT if begun.strategy.statistics is not None else SENT[:1]
    return [leaf for name in names for leaf in begun.like[name]]


def _length(begun: Begun) -> int:
    """Of what a site adds to a sum: weights, metrics, and how many numbers were clipped."""
    return sum(leaf.size for leaf in (*_averaged(begun), *begun.metrics.values())) + 1


def _as(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return (np.rint(values) if np.issubdtype(dtype, np.integer) else values).astype(dtype)


def _same(those: Sequence[str], before: Sequence[str], number: int) -> list[str]:
    """The sites of an attempt that is repeated: sites reveal no other sum of the same round."""
    if missing := sorted({*before} - {*those}):
        raise ValueError(
            f"round {number} was nearly over when the server ended, and must be repeated with the same sites: start "
            f"{' and '.join(missing)}, and the server again"
        )
    return [name for name in those if name in before]
