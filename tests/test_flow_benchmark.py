import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_both_flows_are_timed_in_turns_and_compared(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.flow", "--size=40", "--pairs=2", "--turns=2"]
    done = subprocess.run([*command, f"--json={tmp_path / 'flow.json'}"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "flow.json").read_text())
    assert results["machine"] in done.stdout
    assert results["compilation"]["wall"] > 0
    speed, agreement = (results[f"synthetic faces, {what}"] for what in ("speed", "agreement"))
    assert 0 < speed["ratio_wall_least"] <= speed["ratio_wall"] <= speed["ratio_wall_most"]
    assert agreement["JAX - OpenCV"]["mean"] < 0.05
    assert agreement["JAX - OpenCV"]["median"] <= agreement["JAX - OpenCV"]["99 %"]
