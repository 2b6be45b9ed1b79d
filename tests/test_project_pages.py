"""CONTRIBUTING, CHANGELOG, SECURITY, the container file and the figure of the architecture say what is there."""

import ast
import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from fedpsyau_jax.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONTAINER = (ROOT / "Dockerfile").read_text()
SOURCES = sorted(path for top in ("fedpsyau_jax", "experiments", "data") for path in (ROOT / top).rglob("*.py"))


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    named = re.findall(r"`((?:tests|experiments|data|docs|fedpsyau_jax|\.ci)/[\w./]*)`", text)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path


def test_commands_of_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    extras = re.findall(r"\.\[(\w+)\]", text)
    assert {"test", "docs"} <= set(extras) <= set(PROJECT["optional-dependencies"])
    for script in re.findall(r"^python (\S+\.py)", text, re.MULTILINE):
        assert (ROOT / script).is_file()


def test_the_newest_change_is_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## ([\d.]+)", text, re.MULTILINE)[0] == PROJECT["version"]
    assert set(re.findall(r"`([a-z][\w-]*)`", text)) <= COMMANDS.keys()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_read_as_code_and_no_connection_opened(path: Path) -> None:
    """What SECURITY.md promises: ``pickle`` writes to this process's own workers only."""
    tree = ast.parse(path.read_text())
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not calls & {"eval", "exec", "pickle.load", "pickle.loads", "pd.read_pickle", "joblib.load", "torch.load"}
    switches = [word for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords]
    assert not [word for word in switches if word.arg == "allow_pickle" and ast.unparse(word.value) != "False"]
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in imported} & {"socket", "urllib", "http", "requests", "ftplib", "ssl"}


def test_the_container_installs_what_there_is_and_runs_the_main_command() -> None:
    """Nothing here can build it: this compares it with the project's files."""
    (extra,) = re.findall(r"--build-arg EXTRA=(\w+)", CONTAINER)
    assert extra in PROJECT["optional-dependencies"]
    (python,) = re.findall(r"^ARG PYTHON=([\d.]+)$", CONTAINER, re.MULTILINE)
    assert f"3.11 to {python}" in (ROOT / "README.md").read_text()
    for library in re.findall(r"lib[\w.-]+", CONTAINER.partition("apt-get install")[2].partition("\n")[0]):
        assert f"`{library}`" in (ROOT / "README.md").read_text()
    (program,) = ast.literal_eval(CONTAINER.partition("ENTRYPOINT ")[2].partition("\n")[0])
    name, *options = ast.literal_eval(CONTAINER.partition("\nCMD ")[2].partition("\n")[0])
    assert program in PROJECT["scripts"]
    assert name in COMMANDS
    assert options == ["--clients=5"]


def module(name: str) -> ModuleType:
    """A script of the docs."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_figure_is_of_these_sources() -> None:
    drawing = module("floors")
    assert drawing.picture(drawing.edges()) == drawing.PICTURE.read_text(), "run python docs/floors.py"


def test_the_figure_has_every_room_above_what_it_imports() -> None:
    drawing = module("floors")
    below = drawing.edges()
    heights = {room: drawing.height(room, below) for room in below}
    assert heights["fedpsyau_jax.types"] == 0
    assert max(heights, key=heights.__getitem__) == drawing.COMMANDS
    assert all(heights[room] > heights[one] for room, own in below.items() for one in own)
    for room, own in drawing.direct(below).items():
        assert drawing.reaches(room, below) == own.union(*(drawing.reaches(one, below) for one in own))


def test_the_readme_shows_the_table_of_its_picture() -> None:
    text = (ROOT / "README.md").read_text()
    result = module("result")
    table = pd.read_csv(result.TABLE)
    assert "\n".join(result.lines(table)) in text
    assert (ROOT / "docs" / "result.png").stat().st_size < 150_000
    assert "](docs/result.png)" in "\n".join(text.splitlines()[:12])
    assert len(text.splitlines()) < 120


def test_the_image_gets_what_is_installed_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    admitted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = {name.removesuffix("*") for name in found}
    assert admitted == {"pyproject.toml", "constraints.txt", PROJECT["readme"], *PROJECT["license-files"], *packages}
