"""Laboratories with keys, for tests of secure aggregation without its network."""

import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from toy_sites import FOUR, KEY, Laboratory, MakeStrategy, Network, site

from deployment.coordinator import Plan
from deployment.keys import public_bytes
from deployment.masking import Identity, Masking
from deployment.participant import Site
from deployment.payload import Payload
from deployment.secure import quorum
from deployment.secure_coordinator import SecureCoordinator
from deployment.secure_participant import SecureParticipant
from deployment.secure_sum import SecureSum, Summed


def identities(names: tuple[str, ...] = FOUR) -> dict[str, Identity]:
    keys = {name: ec.generate_private_key(ec.SECP384R1()) for name in names}
    peers = {name: public_bytes(key.public_key()) for name, key in keys.items()}
    return {name: Identity(name, key, peers) for name, key in keys.items()}


class Adder:
    """A site that takes part in sums of given numbers."""

    def __init__(self, folder: Path, identity: Identity, numbers: np.ndarray) -> None:
        self.folder, self.numbers, self.sent = folder, numbers, list[Payload]()
        self.masking = Masking(identity)

    def answer(self, question: Payload) -> Payload:
        try:
            answer = self.masking.answer(question, self.folder, lambda: self.numbers)
        except ValueError as error:
            answer = Payload("refused", {"why": str(error)}, {})
        self.sent.append(answer)
        return answer


def adders(folder: Path, numbers: Mapping[str, np.ndarray]) -> dict[str, Adder]:
    who = identities(tuple(numbers))
    return {name: Adder(folder / name, who[name], own) for name, own in numbers.items()}


def summed(network: Network, said: list[str], number: int = 0) -> Summed:
    """One attempt at the sum of all adders of a network."""
    names = sorted(network.laboratories)
    attempt = SecureSum(network.ask, said.append, {"run": "abc123", "round": number}, quorum(len(names)), 60.0)
    return attempt.of(names, None, lambda here: None)


class SecureLaboratory(Laboratory):
    """A site with a key; it keeps its folder and its key when it is killed, and its secrets it loses."""

    def __init__(self, folder: Path, own: int, make: MakeStrategy, identity: Identity) -> None:
        self.identity, self.said = identity, list[str]()
        super().__init__(folder, own, make, {"classes": "2"})

    def restart(self) -> None:
        self.participant = SecureParticipant(self.folder, self.join, self.identity, self.said.append)

    def join(self, settings: str) -> Site:
        """As a plain one, with counts that stay secret besides."""
        plain = site(self.own, self.make, self.facts)
        counts = {**plain.counts, "together": np.arange(4.0).reshape(2, 2) + self.own, "labelled": np.int64(self.own)}

        def training(place: int, totals: Mapping[str, np.ndarray], longest: int, sites: int):
            for name, value in counts.items():
                assert totals[name].shape == np.shape(value)
            assert (totals["together"] == sites * np.arange(4.0).reshape(2, 2) + sum(range(sites))).all()
            return plain.training(place, totals, longest, sites)

        return plain._replace(counts={name: np.asarray(value) for name, value in counts.items()}, training=training)


def secure_laboratories(folder: Path, make: MakeStrategy, names: tuple[str, ...] = FOUR) -> dict[str, SecureLaboratory]:
    who = identities(names)
    return {name: SecureLaboratory(folder / name, own, make, who[name]) for own, name in enumerate(names)}


def secure_coordinator(
    folder: Path, network: Network, make: MakeStrategy, rounds: int
) -> tuple[SecureCoordinator, list[str]]:
    said: list[str] = []
    plan = Plan("abc123", tuple(network.laboratories), "{}", {"classes": "2"}, make, KEY, rounds, 60.0)
    return SecureCoordinator(folder / "server", plan, network.ask, said.append), said


def random_numbers(names: tuple[str, ...] = FOUR, length: int = 50) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(secrets.randbits(32))
    return {name: generator.integers(-(2**40), 2**40, length) for name in names}
