"""How coders write action units (AUs) into a table's cell, and what each cell means."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fedpsyau_jax.synthesis.muscles import Action, Side


class Coding(NamedTuple):
    """A cell, the AUs it stands for (None: unknown) with their sides, whether it leaves a choice, and of which AUs."""

    cell: str | int | None
    action_units: Mapping[int, Side] | None
    ambiguous: bool = False
    uncertain: tuple[int, ...] = ()


def plain(actions: Iterable[Action]) -> Coding:
    """``4+R12``: the ordinary way.

    >>> plain([Action(4, 0.3), Action(12, 0.2, "R")])
    Coding(cell='4+R12', action_units={4: '', 12: 'R'}, ambiguous=False, uncertain=())
    """
    sides: dict[int, Side] = {action.au: action.side for action in actions}
    return Coding("+".join(f"{side}{au}" for au, side in sides.items()), sides)


CODING_QUIRKS = {
    "unknown AU": Coding("?", None),
    "blank AU": Coding(None, None),
    "whole number": Coding(4, {4: ""}),
    "action descriptor": Coding("1+AD38", {1: ""}),
    "head movement": Coding("M58+12", {12: ""}),
    "both sides": Coding("R1+L1+L2", {1: "", 2: "L"}),
    "intensities": Coding("R12B+6A", {12: "R", 6: ""}),
    "other sides": Coding("T24+B15+A10", {24: "", 15: "", 10: ""}),
    "commas": Coding("4, 7,17", {4: "", 7: "", 17: ""}),
    "spaces": Coding("L4 + 7 ", {4: "L", 7: ""}),
    "alternative": Coding("L6 or L12", {}, ambiguous=True, uncertain=(6, 12)),
    "alternative in brackets": Coding("(R6 or R12)+R15", {15: "R"}, ambiguous=True, uncertain=(6, 12)),
    "slash": Coding("5/2+1", {1: ""}, ambiguous=True, uncertain=(5, 2)),
    "two intensities": Coding("12A/B", {12: ""}, ambiguous=True),
    "unseen AUs": Coding("26+25", {26: "", 25: ""}),
}
