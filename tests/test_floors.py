"""Imports of experiments/ run down only: run <- inputs <- results <- training, pages <- commands."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {"run": 0, "inputs": 1, "results": 2, "trackers": 3, "training": 4, "pages": 4, "parity": 4, "clips": 5}
COMMANDS = (
    "fed",
    "mer",
    "ablate",
    "pretrain",
    "compare",
    "coordination",
    "explain",
    "attack",
    "report",
    "score",
    "predict",
    "export",
)
MODULES = sorted((ROOT / "experiments").rglob("*.py"))
LONGEST_COMMAND = 80


def imports(path: Path) -> set[str]:
    """Modules of the project that a module imports, at any place in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith(("experiments.", "fedpsyau_jax.", "data."))}


def floor_of(name: str) -> int:
    """Floor of a module of experiments; commands, and what joins floors for them, are on top."""
    return FLOORS.get(name.split(".")[1], len(FLOORS))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_its_own_floor_and_those_below(path: Path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    own = floor_of(".".join(parts) if len(parts) > 1 else "experiments.x")
    for name in imports(path):
        if not name.startswith("experiments."):
            continue
        room = name.split(".")[1]
        assert floor_of(name) <= own, name
        if floor_of(name) == own and parts[1] in FLOORS:
            assert room == parts[1], name


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_thin_and_imports_no_command(command: str):
    path = ROOT / "experiments" / f"{command}.py"
    assert len(path.read_text().splitlines()) < LONGEST_COMMAND
    assert not imports(path) & {f"experiments.{other}" for other in COMMANDS}


@pytest.mark.parametrize("path", sorted((ROOT / "fedpsyau_jax").rglob("*.py")), ids=lambda path: path.name)
def test_the_package_imports_neither_experiments_nor_data(path: Path):
    assert not {name for name in imports(path) if name.startswith(("experiments.", "data."))}
