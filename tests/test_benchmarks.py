import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from benchmarks.timing import interleaved

ROOT = Path(__file__).parents[1]


def printed(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def numbers(row: str) -> list[float]:
    return [float(cell) for cell in re.findall(r"(?<=\s)\d+\.\d+(?=\s|$)", row)]


def test_alternatives_take_turns_and_the_first_turn_does_not_count() -> None:
    called: list[str] = []
    times = interleaved({name: partial(called.append, name) for name in ("a", "b")}, repeats=2)
    assert called == ["a", "b"] * 3
    assert {name: taken.shape for name, taken in times.items()} == {"a": (2,), "b": (2,)}


@pytest.mark.slow
def test_a_round_is_timed_apart_from_its_compilation() -> None:
    sizes = ("--clients=2", "--examples=5", "--batch=4", "--repeats=2")
    text = printed("benchmarks.federated_round", *sizes)
    assert "2 clients x 5 examples, batches of at most 4, frozen AU detector" in text
    (row,) = (line for line in text.splitlines() if line.strip().startswith("sequential"))
    compiling, median, best = numbers(row)
    assert compiling > median >= best > 0
    assert float(re.search(r"peak memory of this process: (\d+) MB", text)[1]) > 50  # type: ignore[index]


@pytest.mark.slow
def test_convolutions_of_the_network_are_compared() -> None:
    text = printed("benchmarks.conv", "--batch=2", "--steps=1", "--repeats=1", "--shapes=1")
    (row,) = (line for line in text.splitlines() if "->" in line)
    assert row.strip().startswith("130 x 5 x 5, 3 x 3, 32 -> 64, padding 1")
    ours, theirs, ratio, *in_scan = numbers(row)
    assert min(ours, theirs, ratio, *in_scan) > 0
    assert len(in_scan) == 3
