"""A site whose weights the server never sees: it sends masked numbers, and makes its own start from their sum."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from deployment.fixed_point import STEP, Encoded, encoded, limit
from deployment.masking import Identity, Masking
from deployment.participant import Own, Participant, Site, Training
from deployment.payload import Payload, Refused, arrays_of, tree_like
from deployment.secure import COUNTS, PHASES
from deployment.storage import load

__all__ = ["SecureParticipant"]


class SecureParticipant(Participant):
    """A site of a federation with secure aggregation, which refuses any other."""

    secure = True
    otherwise = "this site was given --peers, so it takes part only if the server was started with --secure"

    def __init__(self, folder: Path, join: Callable[[str], Site], identity: Identity, say: Callable[[str], None]):
        """Take up where the last process of this site ended.

        Args:
            folder: of the site, for its memory.
            join: from the settings that the server announces to a site that has read its data.
            identity: who the site is, and who the others are.
            say: where it says how many numbers were clipped.
        """
        self.masking, self.say = Masking(identity), say
        super().__init__(folder, join)

    def _answers(self) -> Mapping[str, Callable[[Payload], Payload]]:
        return {**super()._answers(), **dict.fromkeys(PHASES, self._asked_for_a_sum)}

    def _asked_to_join(self, question: Payload) -> Payload:
        joined = super()._asked_to_join(question)
        return joined._replace(arrays={"counts/examples": joined.arrays["counts/examples"]})

    def _begin(self, question: Payload) -> Training:
        assert self.site is not None
        if (number := int(question.facts["sites"])) != (known := len(self.masking.identity.peers)):
            raise Refused(f"the federation has {number} sites, but this site was given the keys of {known} as --peers")
        counts, total = _but_examples(self.site.counts), question.arrays["sum"]
        if total.shape != (sum(one.size for one in counts.values()),) or total.dtype != np.int64:
            raise Refused("the sum of all sites' counts is missing, or of another shape")
        arrays, place = {"counts/examples": question.arrays["counts/examples"]}, 0
        for name, one in counts.items():
            part = total[place : place + one.size].reshape(one.shape)
            arrays[f"counts/{name}"], place = np.rint(part * STEP).astype(one.dtype), place + one.size
        return super()._begin(question._replace(arrays=arrays))

    def _received(self, question: Payload, own: Own, done: int) -> Mapping[str, np.ndarray]:
        assert self.training is not None
        weights: Mapping[str, np.ndarray] = _weights(self.training, own)
        if int(question.facts["round"]) > 0:
            weights = self._start(question, weights, done)
        return {**weights, "mu/0": question.arrays["mu/0"]}

    def _start(self, question: Payload, weights: Mapping[str, np.ndarray], done: int) -> Mapping[str, np.ndarray]:
        """The mean of all sites; or lambda w_k + (1 - lambda) (S - n_k w_k) / (N - n_k), where S = sum n_j w_j."""
        number, examples = int(question.facts["round"]), int(question.facts["examples"])
        total, included = question.arrays["sum"], bool(question.facts["included"])
        if included and done != number - 1:
            raise Refused(f"this site has no memory of round {number - 1}: restore its folder")
        flat = np.concatenate([leaf.ravel() for leaf in weights.values()]).astype(np.float64)
        if total.shape != flat.shape or total.dtype != np.int64:
            raise Refused(f"the sum has shape {total.shape} and dtype {total.dtype}, not {flat.shape} and int64")
        share = question.facts.get("self_weight")
        if share is None:
            start = total * STEP / examples
        else:
            size = self._size() if included else 0
            others = total - encoded(size * flat, self._sites()).numbers
            start = float(share) * flat + (1 - float(share)) * (others * STEP / (examples - size))
        ends = np.cumsum([leaf.size for leaf in weights.values()])[:-1]
        parts = zip(weights.items(), np.split(start, ends), strict=True)
        return {name: part.reshape(leaf.shape).astype(leaf.dtype) for (name, leaf), part in parts}

    def _asked_for_a_round(self, question: Payload) -> Payload:
        """Train; what came of it leaves the site within a sum only."""
        trained = super()._asked_for_a_round(question)
        if clipped := self._numbers(int(question.facts["round"])).clipped:
            self.say(
                f"Round {question.facts['round']}: {clipped} of this site's numbers lay beyond "
                f"{limit(self._sites())} and were clipped."
            )
        return trained._replace(arrays={})

    def _asked_for_a_sum(self, question: Payload) -> Payload:
        self._require_run(question)
        number = int(question.facts["round"])
        return self.masking.answer(question, self.folder / self.run, lambda: _counted(self._numbers(number)))

    def _numbers(self, number: int) -> Encoded:
        """What this site adds to the sum of a round: n_k times its weights, and its metrics; or its counts."""
        assert self.site is not None
        if number == COUNTS:
            parts = [one.astype(np.float64).ravel() for one in _but_examples(self.site.counts).values()]
            return encoded(np.concatenate([*parts, np.zeros(0)]), self._sites())
        finished, training = load(self.folder / self.run / "memory.npz"), self.training
        if training is None or finished is None or finished.facts["round"] != number:
            raise Refused(f"this site has not finished round {number}")
        own = tree_like("own", Own(training.client, training.memory), finished.arrays)
        weights = [self._size() * leaf.astype(np.float64) for leaf in _weights(training, own).values()]
        metrics = [finished.arrays[f"reply/metrics/{name}"].astype(np.float64) for name in sorted(training.metrics)]
        return encoded(np.concatenate([part.ravel() for part in (*weights, *metrics)]), self._sites())

    def _size(self) -> int:
        assert self.site is not None
        return int(self.site.counts["examples"])

    def _sites(self) -> int:
        return len(self.masking.identity.peers)


def _weights(training: Training, own: Own) -> dict[str, np.ndarray]:
    """What is averaged: the weights, and batch statistics if the algorithm averages them."""
    weights = arrays_of("weights", own.client.params)
    return (
        weights if training.strategy.statistics is None else weights | arrays_of("statistics", own.client.model_state)
    )


def _but_examples(counts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: counts[name] for name in sorted(counts) if name != "examples"}


def _counted(numbers: Encoded) -> np.ndarray:
    """The numbers, and how many of them were clipped, so that the server learns the sum of that, too."""
    return np.append(numbers.numbers, round(numbers.clipped / STEP))
