"""``python -m benchmarks``: small sizes, in this process where no memory is measured; records, tables and histories."""

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.cases import CASES, Plan
from benchmarks.cases.command import stages
from benchmarks.children import Child, ChildEnded
from benchmarks.digits import digits, network
from benchmarks.floors import Rates
from benchmarks.measuring import measured
from benchmarks.peers.protocol import Problem, batches, read, write
from benchmarks.records import Measured, Record, as_json, cells, compared, from_json, markdown
from benchmarks.sizes import SIZES
from benchmarks.timing import interleaved

SMALL = Plan(SIZES["small"], turns=1)
FAST, SLOW = Record("fast", "s", (1.0, 2.0)), Record("slow", "s", (3.0, 4.0), floor=0.5, note="a library 1.0")
CASE = Measured("A case", 7.0, 120.0, "", compared([FAST, SLOW]))


def test_ratios_are_taken_within_a_turn() -> None:
    first, second = CASE.records
    assert first.ratio == ()
    assert second.ratio == (3.0, 2.0)
    assert second.ratio_to == "fast"
    assert list(cells(second)) == ["slow", "", "3.5 (3-4) s", "2.5 (2-3)", "", "0.5", "7", ""]


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    cases = {"one": CASE}
    assert from_json(json.loads(json.dumps(as_json(cases)))) == cases
    line = {"command": "python -m benchmarks", "date": "today", "machine": "this", "cases": as_json(cases)}
    (tmp_path / "history.jsonl").write_text(f"{json.dumps(line)}\n")
    text = command.shown(tmp_path / "history.jsonl")
    assert text.endswith(markdown(cases))
    assert "| slow |  | 3.5 (3-4) s | 2.5 (2-3) |  | 0.5 | 7 |  |" in text
    assert "- slow: a library 1.0" in text


def test_each_case_of_a_history_is_shown_as_it_was_measured_last(tmp_path: Path) -> None:
    lines = [
        {
            "command": name,
            "date": "",
            "machine": "",
            "cases": as_json({case: CASE._replace(title=f"{case}, {name}") for case in cases}),
        }
        for name, cases in (("first", ("one", "two")), ("again", ("two",)))
    ]
    (tmp_path / "history.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    text = command.shown(tmp_path / "history.jsonl")
    assert "one, first" in text
    assert "two, again" in text
    assert "two, first" not in text
    assert text.index("`again`") < text.index("`first`")


def test_the_page_shows_what_the_history_has() -> None:
    root = Path(__file__).parents[1]
    tables = command.shown(root / "benchmarks" / "measured" / "history.jsonl")
    assert tables in (root / "docs" / "performance.md").read_text()


def test_no_turn_starts_when_the_budget_is_spent_but_there_is_one() -> None:
    assert interleaved({"a": lambda: None}, 5, budget=0)["a"].shape == (1,)


def test_a_floor_is_the_longer_of_operations_and_bytes() -> None:
    assert Rates(10.0, 5.0).floor(20, 5) == 2.0
    assert Rates(10.0, 5.0).floor(20, 50) == 10.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cases", "rouns"], "the cases are round, profile"),
        (["--turns=0"], "at least 1"),
        (["--peer-python", "torch=/no/such"], "write NAME=PYTHON"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        command.main(arguments)


def test_a_problem_is_read_as_it_was_written(tmp_path: Path) -> None:
    own, data = network("cnn"), digits(5)
    write(tmp_path / "problem.npz", Problem(*data, "cnn", own.weights, 2, 3, 32, 0.1))
    problem = read(tmp_path / "problem.npz")
    assert problem.images.shape == (5, 300, 64)
    assert problem.test_labels.shape == (297,)
    assert (problem.network, problem.rounds, problem.rate) == ("cnn", 2, 0.1)
    assert problem.weights.keys() == own.weights.keys()
    assert [len(batch) for batch in batches(range(300), 32)] == [32] * 9 + [12]


def test_a_child_that_ends_is_told_by_its_last_words() -> None:
    with Child(Path("/bin/sh"), "no_such_script.py") as child, pytest.raises(ChildEnded, match="no_such_script"):
        child.ask()


def test_stages_are_read_from_the_lines_of_a_run() -> None:
    lines = [(0.5, "rendering faces  ..."), (2.0, "rendering faces  done after 2 s"), (2.5, "a sentence")]
    lines += [(3.0, "training, 4 rows  round 1/2  ..."), (4.0, "training, 4 rows  round 2/2  loss 1.0  done after 1 s")]
    assert dict(stages(lines)) == {"rendering faces": 1.5, "training, 4 rows": 1.0}


def test_what_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "failing", CASES["round"]._replace(measure="benchmarks.cases.network:missing"))  # type: ignore[index]
    assert "missing" in measured("failing", SMALL).error
