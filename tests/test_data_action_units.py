"""The AU strings of annotation tables: what is present, what is uncertain, what is refused."""

import pytest

from data.action_units import parse_action_units


@pytest.mark.parametrize(
    ("cell", "sides"),
    [
        (4, {4: ""}),
        (12.0, {12: ""}),
        ("AU4+AU7", {4: "", 7: ""}),
        ("AU 4 + au 7", {4: "", 7: ""}),
        ("R12A, L4", {12: "R", 4: "L"}),
        ("R1+L1", {1: ""}),
        ("T10 B25C", {10: "", 25: ""}),
        ("4+AD38;M58", {4: ""}),
        ("LA4 TB10", {4: "L", 10: ""}),
        ("4.0", {4: ""}),
        ("\uff14\uff0br\uff17b\u3001+12+", {4: "", 7: "R", 12: ""}),
    ],
)
def test_action_unit_grammar(cell: object, sides: dict[int, str]):
    units = parse_action_units(cell)
    assert units is not None
    assert units.sides == sides
    assert not units.ambiguous


@pytest.mark.parametrize(
    ("cell", "present", "uncertain"),
    [
        ("L12 or L14", set(), {12, 14}),
        ("R12/R14", set(), {12, 14}),
        ("(R6 or R12)+R15", {15}, {6, 12}),
        ("4+12 or 14", {4}, {12, 14}),
        ("4 or 7 or 9", set(), {4, 7, 9}),
        ("L12orL14", set(), {12, 14}),
        ("(1+2) or (4+5)+L12", {12}, {1, 2, 4, 5}),
        ("4 or none", set(), {4}),
        ("12 or 14, R12", {12}, {14}),
        ("\uff14\u6216\uff17", set(), {4, 7}),
        ("L12 or R12", {12}, set()),
        ("A/L4", {4}, set()),
        ("L or R 4", {4}, set()),
        ("4A/B", {4}, set()),
        ("4+soft focus", {4}, set()),
    ],
)
def test_what_the_coder_left_open_is_uncertain_and_flagged(cell: str, present: set[int], uncertain: set[int]):
    units = parse_action_units(cell)
    assert units is not None
    assert units.ambiguous
    assert (units.present, units.uncertain) == (present, uncertain)


@pytest.mark.parametrize("cell", ["?", "", "  ", None, float("nan")])
def test_unknown_is_not_none_at_all(cell: object):
    assert parse_action_units(cell) is None


def test_a_cell_without_muscles_is_known_to_have_none():
    units = parse_action_units("AD38")
    assert units is not None
    assert units.present == frozenset()


@pytest.mark.parametrize(
    ("cell", "uncertain"), [("4+ref(7B)", {7}), ("ref(6)+4D", {6}), ("4+12?", {12}), ("4+12 (?)", {12}), ("4", set())]
)
def test_some_action_units_are_uncertain(cell: str, uncertain: set[int]):
    units = parse_action_units(cell)
    assert units is not None
    assert units.present == {4}
    assert units.uncertain == uncertain


@pytest.mark.parametrize("cell", ["smile", "4 & 7", "123"])
def test_nonsense_is_refused(cell: str):
    with pytest.raises(ValueError, match="is not an action unit"):
        parse_action_units(cell)
