import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_cores_and_memory_of_a_preparation_are_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.preparation", "--clips=2", "--repeats=1", "--samples=2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"best share of \d+ cores: \d+%", done.stdout)
    peaks = re.findall(r"(\d+) samples: peak (\d+) MB", done.stdout)
    assert [int(count) for count, _ in peaks] == [2, 8]
    assert all(50 < int(peak) < 2000 for _, peak in peaks)
