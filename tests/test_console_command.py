"""``fedpsyau COMMAND``: every command is there, in whatever folder it is started."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from fedpsyau_jax.__main__ import COMMANDS, main, search_path

ROOT = Path(__file__).parents[1]


def is_program(path: Path) -> bool:
    tests = (node.test for node in ast.parse(path.read_text()).body if isinstance(node, ast.If))
    return any(ast.unparse(test) == "__name__ == '__main__'" for test in tests)


def test_every_program_is_a_command() -> None:
    paths = [path for top in ("experiments", "data", "fedpsyau_jax") for path in (ROOT / top).rglob("*.py")]
    programs = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths if is_program(path)}
    modules = {name.removesuffix(".__main__") for name in programs}
    assert modules - {"fedpsyau_jax"} == {command.module for command in COMMANDS.values()}


def test_a_folder_with_our_names_comes_after_ours(tmp_path: Path) -> None:
    home, library, study = (tmp_path / name for name in ("home", "library", "study"))
    (study / "data").mkdir(parents=True)
    library.mkdir()
    given = [str(study), str(library), str(home)]
    assert search_path(given, home, study) == [str(library), str(home), str(study)]
    assert search_path(given[1:], home, study) == [str(library), str(home), str(study)]
    (library / "experiments.py").touch()
    assert search_path(given, home, study) == [str(home), str(study), str(library)]


def test_the_current_folder_written_as_nothing_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    assert search_path(["", "/library"], Path("/home"), tmp_path) == ["/library", "/home", "", str(tmp_path)]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 0, "fed            compare federated algorithms"),
        (["--help"], 0, "usage: fedpsyau COMMAND"),
        (["--version"], 0, "fedpsyau 0.1.0"),
        (["fde"], 2, "Error: there is no command fde: did you mean fed? fedpsyau --help lists all"),
        (["--clients=5"], 2, "Error: there is no command --clients=5: fedpsyau --help lists all"),
    ],
)
def test_what_is_no_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["fedpsyau", *arguments])
    assert main() == status
    shown = capsys.readouterr()
    assert said in (shown.err if status else shown.out)


def test_it_runs_in_a_folder_with_its_own_data_and_experiments(tmp_path: Path) -> None:
    for name in ("data", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong package')")
    command = [sys.executable, "-m", "fedpsyau_jax", "score", "nothing.csv"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": f".:{ROOT}"})
    assert done.returncode == 2
    assert "\nError: nothing.csv: No such file" in done.stderr
