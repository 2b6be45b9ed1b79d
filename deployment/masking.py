"""A site's part in a secure sum: it masks its numbers, and helps to remove masks from the sum alone."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.secure_aggregation.secaggplus_utils import share_keys_plaintext_concat, share_keys_plaintext_separate

from deployment import masks
from deployment.payload import Payload, Refused
from deployment.secure import PHASES, bytes_in, listed, named, quorum, raw, to_sign
from deployment.storage import load, save

__all__ = ["Identity", "Masking"]


class Identity(NamedTuple):
    """Who a site is: its ``name`` and private ``key``; and ``peers``, the public keys of all sites, its own too."""

    name: str
    key: ec.EllipticCurvePrivateKey
    peers: Mapping[str, bytes]


class _Shares(NamedTuple):
    """What a site holds of another one's two secrets."""

    seed: bytes
    key: bytes


class _Attempt:
    """The secrets of one attempt at a sum. They are never written, so that a site that is killed starts a new one."""

    def __init__(self, facts: Mapping[str, str | int | float]) -> None:
        self.facts = {name: facts[name] for name in ("run", "round", "attempt")}
        self.sealing, self.masking, self.seed = masks.fresh_pair(), masks.fresh_pair(), masks.fresh_seed()
        self.answers: dict[str, tuple[str, Payload]] = {}
        self.keys: dict[str, tuple[bytes, bytes]] = {}
        self.held: dict[str, _Shares] = {}


class Masking:
    """A site that takes part in secure sums, one at a time."""

    def __init__(self, identity: Identity) -> None:
        """Take part as one of the peers."""
        self.identity, self.attempt = identity, _Attempt({"run": "", "round": 0, "attempt": ""})

    def answer(self, question: Payload, folder: Path, numbers: Callable[[], np.ndarray]) -> Payload:
        """The answer to the question of one phase; the same again, if the same is asked again.

        Args:
            question: of a kind of ``PHASES``.
            folder: where it is remembered whose sum was revealed.
            numbers: what the site adds to the sum, int64 [length].

        Raises:
            Refused: the question is out of turn, or asks for what would show one site's numbers.
        """
        if question.kind == "keys" and question.facts["attempt"] != self.attempt.facts["attempt"]:
            self.attempt = _Attempt(question.facts)
        attempt = self.attempt
        if any(question.facts.get(name) != value for name, value in attempt.facts.items()):
            raise Refused("this site has no secrets of this attempt: it was started again, or takes part in another")
        content = _digest(question)
        if question.kind in attempt.answers:
            asked, answered = attempt.answers[question.kind]
            if asked != content:
                raise Refused(f"the server asked for '{question.kind}' with other contents before: a mask is used once")
            return answered
        if list(PHASES)[len(attempt.answers)] != question.kind:
            raise Refused(f"'{question.kind}' is asked for out of turn")
        phases = {"keys": self._keys, "shares": self._shares, "unmask": lambda asked: self._unmask(asked, folder)}
        arrays = self._mask(question, numbers()) if question.kind == "mask" else phases[question.kind](question)
        answer = Payload(PHASES[question.kind], attempt.facts, arrays)
        attempt.answers[question.kind] = content, answer
        return answer

    def _keys(self, question: Payload) -> dict[str, np.ndarray]:
        attempt = self.attempt
        public = attempt.sealing.public, attempt.masking.public
        signature = masks.sign_message(self.identity.key, to_sign(attempt.facts, self.identity.name, public))
        return {"sealing": raw(public[0]), "masking": raw(public[1]), "signature": raw(signature)}

    def _shares(self, question: Payload) -> dict[str, np.ndarray]:
        """The shares of both secrets, each sealed for the site that will hold it."""
        attempt, own = self.attempt, self.identity.name
        names = sorted({name.rpartition("/")[0] for name in question.arrays})
        attempt.keys = {name: self._checked_keys(question, name) for name in names}
        self._require_quorum(names)
        if attempt.keys.get(own) != (attempt.sealing.public, attempt.masking.public):
            raise Refused("the server gives other keys as this site's")
        threshold = quorum(len(self.identity.peers))
        seeds, privates = (masks.shares(one, threshold, len(names)) for one in (attempt.seed, attempt.masking.private))
        pairs = [_Shares(*pair) for pair in zip(seeds, privates, strict=True)]
        attempt.held = {own: pairs[names.index(own)]}
        sent = {}
        for place, (name, share) in enumerate(zip(names, pairs, strict=True)):
            if name != own:
                text = share_keys_plaintext_concat(names.index(own), place, share.seed, share.key)
                sent[name] = raw(masks.sealed(masks.agreed(attempt.sealing, attempt.keys[name][0]), text))
        return sent

    def _checked_keys(self, question: Payload, name: str) -> tuple[bytes, bytes]:
        if name not in self.identity.peers:
            raise Refused(f"{name[:50]} is none of the sites whose keys this site was given")
        sealing, masking = bytes_in(question, f"{name}/sealing"), bytes_in(question, f"{name}/masking")
        content = to_sign(self.attempt.facts, name, (sealing, masking))
        if not masks.signed_by(self.identity.peers[name], content, bytes_in(question, f"{name}/signature")):
            raise Refused(f"the keys that the server gives as those of {name} were not signed by it")
        return sealing, masking

    def _mask(self, question: Payload, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The numbers, with a mask of this site's own and one for each other site that sent shares."""
        attempt, own = self.attempt, self.identity.name
        if odd := set(question.arrays) - (attempt.keys.keys() - {own}):
            raise Refused(f"{sorted(odd)[0][:50]} shared no keys with this site")
        self._require_quorum([own, *question.arrays])
        order, held = sorted(attempt.keys), {own: attempt.held[own]}
        masked = numbers.astype(np.int64).view(np.uint64) + masks.mask(attempt.seed, len(numbers))
        for name in sorted(question.arrays):
            sealing, masking = attempt.keys[name]
            text = masks.opened(masks.agreed(attempt.sealing, sealing), bytes_in(question, name))
            sender, receiver, *shares = share_keys_plaintext_separate(text)
            if (sender, receiver) != (order.index(name), order.index(own)):
                raise Refused(f"the share of {name} was made for another site")
            held[name] = _Shares(*shares)
            masked = masked + masks.pairwise(attempt.masking, masking, len(numbers), adds=own < name)
        attempt.held = held
        return {"masked": masked}

    def _unmask(self, question: Payload, folder: Path) -> dict[str, np.ndarray]:
        """Of each other site one share: of its own mask if its numbers are in the sum, else of its key."""
        here, gone = named(question.facts["here"]), named(question.facts["gone"])
        if both := set(here) & set(gone):
            raise Refused(
                f"the server asks for both kinds of shares of {min(both)}: together they would show its numbers"
            )
        held = self.attempt.held
        if {*here, *gone} != held.keys() or self.identity.name not in here:
            raise Refused("the server asks for shares of other sites than those that sent this site theirs")
        self._require_quorum(here)
        self._reveal_once(here, folder)
        seeds = {f"seed/{name}": raw(held[name].seed) for name in here}
        return seeds | {f"key/{name}": raw(held[name].key) for name in gone}

    def _reveal_once(self, here: list[str], folder: Path) -> None:
        """Remember whose sum is revealed: the difference of two sums of one round would be a site's numbers."""
        path, number = folder / "revealed.npz", int(self.attempt.facts["round"])
        if (before := load(path)) is not None:
            last, those = int(before.facts["round"]), before.facts["here"]
            if number < last or (number == last and those != listed(here)):
                raise Refused(
                    f"this site has helped to reveal the sum of {' and '.join(named(those))}; with another sum of "
                    "the same round the server could compute one site's numbers"
                )
        save(path, Payload("revealed", {"round": number, "here": listed(here)}, {}))

    def _require_quorum(self, names: list[str]) -> None:
        needed = quorum(len(self.identity.peers))
        if len(names) < needed:
            raise Refused(f"the sum would be that of {len(names)} sites, and at least {needed} must be in it")


def _digest(question: Payload) -> str:
    content = hashlib.sha256(repr(sorted(question.facts.items())).encode())
    for name, array in sorted(question.arrays.items()):
        content.update(f"{name} {array.shape} {array.dtype}".encode() + array.tobytes())
    return content.hexdigest()
