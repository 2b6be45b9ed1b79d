"""Every case of ``python -m benchmarks`` with small sizes."""

from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.cases import Plan
from benchmarks.measuring import measured
from benchmarks.sizes import SIZES

SMALL = Plan(SIZES["small"], turns=1)


@pytest.mark.slow
def test_peers_that_are_not_there_are_skipped_in_a_sentence() -> None:
    found = measured("peers", SMALL)
    assert found.error == ""
    ours, *others = found.records
    assert len(ours.seconds) == 1
    assert ours.accuracy is not None
    assert all(record.seconds or "--peer-python" in record.note for record in others)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["round", "rows", "repeats", "folds", "clients", "loops", "flow"])
def test_a_case_runs_with_small_sizes(name: str) -> None:
    found = measured(name, SMALL)
    assert found.error == ""
    assert all(record.seconds or record.note for record in found.records)
    assert all(record.floor > 0 for record in found.records if record.floor is not None)


@pytest.mark.slow
def test_the_command_writes_a_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = tmp_path / "history.jsonl"
    assert command.main(["--cases", "peers", "--sizes=small", "--turns=1", "--json", str(history)]) == 0
    assert "GFLOP/s" in capsys.readouterr().out
    assert command.main(["--table", str(history)]) == 0
    assert "### The same federation in other libraries, on digits" in capsys.readouterr().out
