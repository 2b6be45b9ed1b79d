"""The benchmark of all algorithms: each training once in a program and once alone; and how code is counted."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import algorithms as benchmark
from benchmarks.algorithms import Options, code_lines, lines_of_algorithms, main
from experiments.inputs.algorithms import TITLES

ONE_PROGRAM = ("fedbn", "fedper")


@pytest.mark.slow
def test_every_training_is_timed_in_its_program_and_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes: list[tuple[int, int]] = []

    def program_of(group: Any, dataset: object, size: int) -> tuple[Any, None, list[int]]:
        chunks = list(range(0, group.num_trained, size))
        sizes.append((group.num_trained, size))
        idle = SimpleNamespace(
            place=lambda *given: given, init=lambda *given: (), round=lambda state, *given: (state, {})
        )
        return idle, None, chunks

    monkeypatch.setattr(benchmark, "program_of", program_of)
    file = tmp_path / "times.json"
    assert main(Options(clients=2, examples=5, tested=3, turns=3, json=file)) == 0
    written, text = json.loads(file.read_text()), capsys.readouterr().out
    assert sizes == [size for one in written["programs"] for size in ((one["trainings"],) * 2, (one["trainings"], 1))]
    titles = {row.partition(" (")[0] for one in written["programs"] for row in one["rows"]}
    assert titles == set(TITLES.values()) - {"Local only", "FedAvg", "FedProx", "P-FedProx", "Centralised"}
    for one in written["programs"]:
        assert len(one["together"]) == len(one["alone"]) == 3
    assert f"16 algorithms x 2 repeats in {len(written['programs'])} programs" in text
    assert written["machine"] in text.replace("\n", " ")
    assert f"The largest is {max(written['lines'], key=written['lines'].get)}, " in text


@pytest.mark.slow
def test_real_programs_are_compiled_and_run(tmp_path: Path) -> None:
    file = tmp_path / "times.json"
    assert main(Options(ONE_PROGRAM, 2, 5, 3, 4, 1, repeats=1, turns=2, json=file)) == 0
    (one,) = json.loads(file.read_text())["programs"]
    assert one["rows"] == ["FedBN", "FedPer"]
    assert one["compile_seconds"] > max(one["together"]) > 0
    assert one["compile_seconds_alone"] > max(one["alone"]) > 0


def test_comments_docstrings_imports_and_blank_lines_are_no_code() -> None:
    documented = '"""What."""\n\nimport a  # why\n\n\ndef f():\n    """One\n\n    two."""\n'
    source = f"{documented}    # where\n    return [\n        a,\n    ]\n"
    assert code_lines(source) == 4
    lines = lines_of_algorithms()
    assert set(lines) == set(benchmark.PUBLISHED)
    assert max(lines.values()) < 40
