"""``--help`` and a mistyped option are answered before anything heavy is imported."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_floors import COMMANDS

ROOT = Path(__file__).parents[1]
HEAVY = (
    *("jax", "jaxlib", "flax", "optax", "jraph", "orbax", "pandas", "matplotlib", "scipy", "sklearn", "cv2"),
    *("tensorflow_datasets", "array_record", "openpyxl", "jinja2", "beartype", "jaxtyping"),
)
SCRIPT = """
import contextlib, io, runpy, sys
sys.argv = ["it", {option!r}]
with contextlib.suppress(SystemExit):
    runpy.run_module("experiments.{command}", run_name="__main__")
print(*sorted({heavy!r} & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "--no-such-option"])
def test_options_are_parsed_without_heavy_imports(command: str, option: str) -> None:
    script = SCRIPT.format(option=option, command=command, heavy=set(HEAVY))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    *answer, imported = done.stderr.splitlines()
    assert imported == ""
    if option == "--help":
        assert "--help" in done.stdout
    else:
        assert answer[0].startswith("Error: unknown option --no-such-option")
