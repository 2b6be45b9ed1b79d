"""The README and docs/fed.md say what is there: commands parse, files exist, examples run."""

import doctest
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import tyro

from benchmarks import machines
from deployment.options import ServerOptions
from experiments.fed import FED
from experiments.inputs.presets import FED_PRESETS as PRESETS
from experiments.parity.__main__ import main as parity
from experiments.run.lifecycle import options_of

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FED_PAGE = (ROOT / "docs" / "fed.md").read_text()
Options = options_of(FED)


def commands() -> list[list[str]]:
    """What the shell blocks run, one command each."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = (line for block in blocks for line in block.splitlines() if line)
    return [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]


def of_module(name: str) -> list[list[str]]:
    start = ["python", "-m", name]
    return [words[3:] for words in commands() if words[:3] == start]


def option_names(options: Any, prefix: str = "--") -> Iterator[str]:
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name == "prior":
            yield "--prior"  # of every network, without the network's prefix
        elif not is_dataclass(value):
            yield prefix + field.name.replace("_", "-")
        elif field.name == "settings":
            yield from option_names(value)
        else:
            yield from option_names(value, f"{prefix}{field.name}.")


def test_the_two_commands_come_first() -> None:
    first, second = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[:2]
    assert len(first.splitlines()) == len(second.splitlines()) == 1
    assert first.strip().endswith("python -m experiments.fed --clients=5")
    assert second.strip().endswith("python -m pytest -q")


@pytest.mark.parametrize("arguments", of_module("experiments.fed"), ids=shlex.join)
def test_main_command_parses(arguments: list[str]) -> None:
    assert arguments
    options = tyro.cli(Options, args=arguments, default=Options(PRESETS["quick"]))
    assert options != Options(PRESETS["quick"]) or arguments == ["--clients=5"]


def test_parity_command_names_its_option_and_a_file() -> None:
    ((option, path),) = of_module("experiments.parity")
    assert option.removeprefix("--") in inspect.signature(parity).parameters
    assert (ROOT / path).is_file()


def test_installed_extras_and_constraints_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installs = re.findall(r"pip install (\S+) (\S+) -e (\S+)", README + FED_PAGE)
    assert len(installs) >= 3
    for flag, constraints, project in installs:
        assert flag == "-c"
        assert (ROOT / constraints).is_file()
        assert set(re.findall(r"\[(\w+)\]", project)) <= set(extras)


def test_modules_that_are_named_exist() -> None:
    for name in re.findall(r"python -m ((?:experiments|data|benchmarks|fedpsyau_jax)[\w.]*)", README + FED_PAGE):
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


@pytest.mark.parametrize(("text", "folder"), [(README, ROOT), (FED_PAGE, ROOT / "docs")], ids=["README", "fed"])
def test_links_lead_somewhere(text: str, folder: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("http")]
    assert links
    for link in links:
        assert (folder / link).exists(), link


def test_files_of_the_layout_exist() -> None:
    layout = README.partition("## Layout")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in layout.splitlines() if line.startswith("| `")]
    assert len(rows) >= 6
    for row in rows:
        first, *others = re.findall(r"`([^`]+)`", row)
        for name in (first, *((Path(first).parent / other) for other in others)):
            assert (ROOT / name).exists(), name


def test_every_option_is_documented_and_none_else() -> None:
    table = FED_PAGE.partition("## Options")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(--[\w.-]+)`", table, re.MULTILINE)
    assert sorted(documented) == sorted(option_names(Options()))


@pytest.mark.parametrize("preset", PRESETS)
def test_documented_defaults_are_the_defaults(preset: str) -> None:
    column = {"quick": 2, "paper": 3, "released": 4}[preset]
    for line in FED_PAGE.splitlines():
        if not line.startswith("| `--"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        name, shown = cells[1].strip("`-").replace("-", "_"), cells[column] or cells[2]
        owner = PRESETS[preset]
        for part in name.split(".")[:-1]:
            owner = getattr(owner, part)
        value = getattr(owner, name.split(".")[-1], None)
        if isinstance(value, tuple):
            assert " ".join(map(str, value)) == shown, name
        elif isinstance(value, bool):
            assert {"yes": True, "no": False}[shown] is value, name
        elif isinstance(value, int | float):
            assert float(shown) == value, name
        elif value is not None:
            assert shown == value, name


def test_option_names_in_the_text_exist() -> None:
    others = (machines.Options(Path(), Path()), ServerOptions())
    known = {*option_names(Options()), *(name for one in others for name in option_names(one)), "--help", "--golden"}
    named = set(re.findall(r"(?<![\w=-])--[a-z][\w.-]*", README + FED_PAGE))  # not those of XLA_FLAGS
    assert named <= known, named - known


def test_examples_run() -> None:
    result = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert result.attempted > 3
    assert result.failed == 0
