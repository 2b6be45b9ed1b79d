"""The kinds of operations in a CPU's profile: told by their names, large results apart."""

import pytest

from benchmarks.cases import Plan
from benchmarks.cases.profile import OF_LARGE, kinds, large_results, profile
from benchmarks.sizes import SIZES

TEXT = """
  %add_fusion.1 = f32[3136,1024]{1,0} fusion(%a), kind=kLoop
  ROOT %dot.2 = f32[25,1024]{1,0} dot(%a, %b)
  multiply_fusion = (f32[2048,1024]{1,0}, f32[]) fusion(%c)
"""


def test_results_of_a_million_numbers_are_weights() -> None:
    large = large_results(TEXT)
    assert large == {"add_fusion.1", "multiply_fusion"}
    assert kinds([("add_fusion.1", 2.0), ("add_fusion.3", 1.0)], large) == {
        OF_LARGE: 2.0,
        "other arithmetic: normalisation, pools": 1.0,
    }


def test_spans_that_hold_others_do_not_count() -> None:
    names = ("while.3", "call.1", "ThunkExecutor::Execute", "conditional", "$builtins next")
    assert kinds([(name, 1.0) for name in names], frozenset()) == {}


@pytest.mark.slow
def test_a_round_is_divided_among_kinds_of_work() -> None:
    records = list(profile(Plan(SIZES["small"], turns=1)))
    frozen = {record.what.removeprefix("frozen: "): record.seconds[0] for record in records if "frozen" in record.what}
    assert {"matrix products", "moving: windows, tiles, padding"} <= frozen.keys()
    assert all(seconds > 0 for kind, seconds in frozen.items() if "between" not in kind)
