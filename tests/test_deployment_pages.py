"""What docs/deployment.md, the container file and the constraints say is what there is."""

import ast
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from deployment.options import KeyOptions, ServerOptions, SiteOptions
from fedpsyau_jax.options import parsed

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "deployment.md").read_text()
CONTAINER = (ROOT / "deployment" / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONS = {"server": ServerOptions, "site": SiteOptions, "keys": KeyOptions}
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines()]
TALKING = {"superlink.py", "supernode.py", "records.py"}
"""Modules of deployment that talk, through Flower."""
SEALING = {"masks.py", "masking.py"}
"""Modules that use its shares and seals, and talk to nobody."""


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
    return found


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("python -m deployment.")])
def test_commands_have_the_options_that_the_page_gives_them(command: str) -> None:
    _, _, module, *arguments = shlex.split(command)
    parsed(OPTIONS[module.partition(".")[2]], arguments)


def test_commands_of_containers_have_their_options() -> None:
    shown = re.findall(r"docker run .* fedpsyau-site (\w+) (.*)", PAGE + CONTAINER)
    assert len(shown) == 2
    for name, arguments in shown:
        parsed(OPTIONS[name], shlex.split(arguments))


def test_all_kinds_of_commands_are_shown() -> None:
    kinds = {line.split()[2] for line in COMMANDS if line.startswith("python -m")}
    assert kinds >= {"deployment.server", "deployment.site", "deployment.keys", "data.prepare", "experiments.pretrain"}


def test_the_extra_is_pinned_as_in_its_constraints() -> None:
    (flower,) = PROJECT["optional-dependencies"]["flower"]
    constraints = (ROOT / "constraints-flower.txt").read_text()
    assert flower in constraints.splitlines()
    assert "-c /source/constraints-flower.txt" in CONTAINER
    assert "/source[flower]" in CONTAINER


def test_the_constraints_differ_from_the_usual_ones_only_where_flower_must() -> None:
    usual, own = (
        dict(line.split("==") for line in (ROOT / name).read_text().splitlines() if "==" in line and line[0] != "#")
        for name in ("constraints.txt", "constraints-flower.txt")
    )
    assert usual.keys() <= own.keys()
    assert {name for name in usual if own[name] != usual[name]} == {
        *("packaging", "rich"),  # what Flower wants
        *("fastapi", "starlette", "uvicorn"),  # older with it than with MLflow alone
    }


@pytest.mark.parametrize("room", ["fedpsyau_jax", "experiments", "data", "benchmarks"])
def test_nothing_else_imports_flower_or_the_deployment(room: str) -> None:
    peers = ROOT / "benchmarks" / "peers"  # scripts of their own, each for another library
    for path in set((ROOT / room).rglob("*.py")) - set(peers.glob("with_*.py")):
        assert not imported(path) & {"flwr", "deployment"}, path


def test_few_modules_of_the_deployment_talk() -> None:
    modules = set((ROOT / "deployment").glob("*.py"))
    assert {path.name for path in modules if "flwr" in imported(path)} == TALKING | SEALING
    listening = {"socket", "http", "requests", "urllib", "httpx", "uvicorn", "fastapi", "starlette"}
    talking = {path.name for path in modules if imported(path) & listening}
    assert talking <= TALKING | {"site.py"}  # it tells one kind of error from another


def test_reports_of_use_and_installations_are_off() -> None:
    import os

    import deployment

    assert deployment.__doc__
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
    assert os.environ["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"


def test_examples_of_messages_run() -> None:
    import doctest

    from deployment import fixed_point, payload, secure

    for module in (fixed_point, payload, secure):
        assert doctest.testmod(module, raise_on_error=True).attempted > 0
