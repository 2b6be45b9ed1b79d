"""The server's part in a secure sum: it passes on keys and shares, adds masked numbers, and unmasks their sum."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from deployment import masks
from deployment.coordinator import Ask
from deployment.payload import Payload, Refused
from deployment.replies import accepted
from deployment.secure import PHASES, bytes_in, listed

__all__ = ["SecureSum", "Summed"]

Say = Callable[[str], None]


class Summed(NamedTuple):
    """``total``: int64 [length]; ``names``: of the sites whose numbers are in it."""

    total: np.ndarray
    names: list[str]


class SecureSum:
    """One attempt at a sum. What the server sees of a site are keys, sealed shares and masked numbers."""

    def __init__(self, ask: Ask, say: Say, facts: Mapping[str, str | int | float], needed: int, seconds: float) -> None:
        """Prepare an attempt.

        Args:
            ask: how sites are reached.
            say: where sites that are left out are named.
            facts: ``run`` and ``round``.
            needed: sites, at least, in each phase.
            seconds: to wait for sites in each phase.
        """
        self.ask, self.say, self.needed, self.seconds = ask, say, needed, seconds
        self.facts = {**facts, "attempt": secrets.token_hex(16)}

    def of(self, names: Sequence[str], length: int | None, revealing: Callable[[list[str]], None]) -> Summed:
        """The sum of the sites' numbers.

        Args:
            names: of the sites.
            length: how many numbers each has; None if the sites know.
            revealing: called with the names in the sum, before any site reveals a share.

        Raises:
            ValueError: too few sites are left; nothing was revealed unless the last phase had begun.
            Refused: what sites sent does not fit together.
        """
        keys = self._phase("keys", {name: {} for name in names})
        given = {f"{name}/{part}": array for name, answer in keys.items() for part, array in answer.arrays.items()}
        sealed = self._phase("shares", dict.fromkeys(keys, given))
        shared = sorted(sealed)
        for_each = {
            name: {other: sealed[other].arrays.get(name, np.zeros(0, np.uint8)) for other in shared if other != name}
            for name in shared
        }
        masked = self._fitting(self._phase("mask", for_each), length)
        here, gone = sorted(masked), [name for name in shared if name not in masked]
        revealing(here)
        facts = {"here": listed(here), "gone": listed(gone)}
        revealed = self._phase("unmask", {name: {} for name in here}, facts)
        total: np.ndarray = np.add.reduce([masked[name] for name in here])
        for name in here:
            seed = self._secret(f"seed/{name}", revealed)
            total = total - masks.mask(seed, len(total))
        for name in gone:
            total = total - self._left_over(name, here, keys, revealed, len(total))
        return Summed(total.view(np.int64), here)

    def _phase(
        self, kind: str, arrays: Mapping[str, Mapping[str, np.ndarray]], facts: Mapping[str, str] | None = None
    ) -> dict[str, Payload]:
        """The answers of a phase, of those that gave one."""
        questions = {name: Payload(kind, {**self.facts, **(facts or {})}, given) for name, given in arrays.items()}
        answers: dict[str, Payload] = {}
        left_out: set[str] = set()
        for name, answer in self.ask(questions, self.seconds):
            try:
                answers[name] = accepted(answer, PHASES[kind])
            except Refused as refused:
                left_out.add(name)
                self.say(f"{name} is left out of the sum: {refused}.")
        for name in sorted(questions.keys() - answers.keys() - left_out):
            self.say(f"{name} is left out of the sum: no answer within {self.seconds:g} seconds.")
        self._require_enough(answers)
        return answers

    def _require_enough(self, those: Mapping[str, object]) -> None:
        if len(those) < self.needed:
            raise ValueError(
                f"only {' and '.join(sorted(those)) or 'no site'} could be in the sum, which must be of {self.needed} "
                "sites at least, and was not revealed: start the missing sites, and the server again"
            )

    def _fitting(self, answers: Mapping[str, Payload], length: int | None) -> dict[str, np.ndarray]:
        fitting: dict[str, np.ndarray] = {}
        for name in sorted(answers):
            array = answers[name].arrays.get("masked")
            if array is None or array.dtype != np.uint64 or array.shape != (length or array.size,):
                self.say(
                    f"{name} is left out of the sum: its masked numbers are missing, or not as many as they must be."
                )
                continue
            length, fitting[name] = array.size, array
        self._require_enough(fitting)
        return fitting

    def _secret(self, name: str, revealed: Mapping[str, Payload]) -> bytes:
        found = [bytes_in(answer, name) for _, answer in sorted(revealed.items())]
        return masks.combined(found[: self.needed])

    def _left_over(
        self,
        name: str,
        here: list[str],
        keys: Mapping[str, Payload],
        revealed: Mapping[str, Payload],
        length: int,
    ) -> np.ndarray:
        """The masks that those in the sum have in common with a site that is gone."""
        pair = masks.pair_of(self._secret(f"key/{name}", revealed))
        if pair.public != bytes_in(keys[name], "masking"):
            raise Refused(f"shares of {name} do not fit its key: a site sent wrong ones")
        others = ((other, bytes_in(keys[other], "masking")) for other in here)
        left = [masks.pairwise(pair, public, length, adds=other < name) for other, public in others]
        total: np.ndarray = np.add.reduce(left)
        return total
