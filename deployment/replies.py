"""What a server makes of the answers of sites: each is checked, and refused in one sentence if something is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from deployment.payload import Payload, Refused, check_size, tree_like

__all__ = ["Like", "accepted", "agreeing", "alike", "leaves", "most_common", "trained"]

Like: TypeAlias = Mapping[str, list[np.ndarray]]
"""Leaves of the trees in an answer, by the names of the trees."""


def leaves(name: str, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The arrays of a tree that ``arrays_of`` named, in their order."""
    count = sum(one.startswith(f"{name}/") for one in arrays)
    return [arrays[f"{name}/{place}"] for place in range(count)]


def accepted(answer: Payload | Refused, kind: str) -> Payload:
    """The answer, if it is of this kind and not too large."""
    if isinstance(answer, Refused):
        raise answer
    if answer.kind == "refused":
        raise Refused(str(answer.facts.get("why", "it gave no reason"))[:500].rstrip("."))
    if answer.kind != kind:
        raise Refused(f"it answered '{answer.kind[:50]}', not '{kind}'")
    check_size(answer)
    return answer


def agreeing(answer: Payload, expected: Mapping[str, Any], where: str = "here") -> Payload:
    """The answer, if its facts are as expected."""
    for name, value in expected.items():
        if (own := answer.facts.get(name)) != value:
            raise Refused(f"its {name} is {own}, but {where} it is {value}")
    return answer


def alike(answer: Payload, other: Payload) -> Payload:
    """The answer, if its arrays have the names, shapes and dtypes of another's."""
    names = {name.split("/")[0] for name in {**answer.arrays, **other.arrays}}
    for name in sorted(names - {"counts", "metrics"}):
        tree_like(name, leaves(name, other.arrays), answer.arrays)
    for name in ("counts", "metrics"):
        like = {one: array for one, array in other.arrays.items() if one.startswith(f"{name}/")}
        for one in sorted({*like, *(own for own in answer.arrays if own.startswith(f"{name}/"))}):
            array = answer.arrays.get(one)
            if one not in like or array is None or array.shape != like[one].shape or not np.isfinite(array).all():
                raise Refused(f"its {one} is missing, unexpected, of another shape, or not finite")
    return answer


def most_common(facts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What most sites say; of equally many, the first in the order of names."""
    return max(facts, key=facts.count, default={})


def trained(like: Like, zeros: Mapping[str, np.ndarray], answer: Payload, number: int) -> Mapping[str, Any]:
    """The checked trees of an answer about a round; ``zeros``: of the metrics that belong to it."""
    if answer.facts.get("round") != number:
        raise Refused(f"it answered for round {answer.facts.get('round')}")
    trees = {name: tree_like(name, like[name], answer.arrays) for name in ("weights", "statistics", "message")}
    sums = {name: answer.arrays.get(f"metrics/{name}") for name in zeros}
    for name, value in sums.items():
        zero = zeros[name]
        if value is None or value.shape != zero.shape or value.dtype != zero.dtype or not np.isfinite(value).all():
            raise Refused(f"metrics/{name} is missing, of another shape or dtype, or not finite")
    if unknown := [one for one in answer.arrays if one.split("/")[0] not in (*trees, "metrics")]:
        raise Refused(f"{unknown[0][:50]} is unexpected")
    return {**trees, "metrics": sums}
