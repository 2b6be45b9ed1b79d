"""What a server and its sites agree on for secure aggregation: how many there must be, and how messages are made.

The protocol is that of Bonawitz et al., Practical Secure Aggregation for Privacy-Preserving Machine Learning, CCS 2017,
figure 4, with keys signed; a sum has four phases, and each attempt at one has secrets of its own.
"""

import json
from collections.abc import Iterable, Mapping

import numpy as np

from deployment.payload import Payload, Refused
from experiments.inputs.settings import FedSettings

__all__ = [
    "ALGORITHMS",
    "COUNTS",
    "FEWEST",
    "PHASES",
    "bytes_in",
    "check_secure",
    "listed",
    "named",
    "quorum",
    "raw",
    "to_sign",
]

ALGORITHMS = ("fedavg", "fedprox", "p-fedprox")
"""Algorithms that need a sum over sites, and nothing of a single one."""
PHASES: Mapping[str, str] = {"keys": "signed", "shares": "sealed", "mask": "masked", "unmask": "unmasked"}
"""Kinds of questions, in their order, with the kinds of their answers."""
COUNTS = -1
"""Instead of the number of a round: the sum of counts of training examples, before round 0."""
FEWEST = 3
"""With two, each of them learns from the sum what the other one sent."""


def quorum(sites: int) -> int:
    """So many must take part in a sum: more than two thirds, and three.

    A server that tells some sites that another one is gone, and some that it is not, must get so many shares of either
    kind: it cannot, with no more than a third of the sites on its side (Bonawitz et al., section 6).

    Args:
        sites: of the federation.

    >>> [quorum(sites) for sites in (3, 4, 5, 6, 10)]
    [3, 3, 4, 5, 7]
    """
    return max(FEWEST, 2 * sites // 3 + 1)


def check_secure(settings: FedSettings) -> None:
    """Refuse settings that need more than sums.

    Raises:
        ValueError: which option, and what works.
    """
    (name,) = settings.algorithms
    if name not in ALGORITHMS:
        raise ValueError(
            f"--algorithms={name}: with --secure the server has sums only, and this algorithm needs more; "
            f"choose {', '.join(ALGORITHMS)}"
        )
    if settings.participation < 1:
        raise ValueError(f"--participation={settings.participation:g}: with --secure all sites take part; leave it out")


def to_sign(facts: Mapping[str, str | int | float], name: str, keys: Iterable[bytes]) -> bytes:
    """What a site signs, so that nobody can give its keys to another site, sum or attempt."""
    said = [str(facts[one]) for one in ("run", "round", "attempt")]
    return json.dumps(["secure aggregation", *said, name, *(key.hex() for key in keys)]).encode()


def listed(names: Iterable[str]) -> str:
    """Names as a fact."""
    return json.dumps(sorted(names))


def named(fact: object) -> list[str]:
    """The names that ``listed`` wrote.

    Raises:
        Refused: it did not.
    """
    try:
        names = json.loads(str(fact))
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names) or len({*names}) < len(names):
        raise Refused("a list of sites cannot be read")
    return names


def raw(content: bytes) -> np.ndarray:
    """Bytes as an array of a message."""
    return np.frombuffer(content, np.uint8)


def bytes_in(payload: Payload, name: str) -> bytes:
    """The bytes of an array that ``raw`` made.

    Raises:
        Refused: there are none of this name.
    """
    array = payload.arrays.get(name)
    if array is None or array.dtype != np.uint8 or array.ndim != 1:
        raise Refused(f"{name[:50]} is missing, or not bytes")
    return array.tobytes()
