"""What the pages show is run: the README's commands in little, and the algorithms that README and docs write."""

import doctest
import re
from pathlib import Path

import pandas as pd
import pytest
from commands import Command, compilations

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SHOWN = [line.split() for line in re.findall(r"^python -m experiments.fed ([^#\n]*)", README, re.MULTILINE)]
LITTLE = ["--clients=2", "--rounds=2", "--local-epochs=1", "--repeats=1", "--pretraining.epochs=1"]
ELSEWHERE = {"--resume", "--database", "--labs"}
"""What goes on after a kill, real databases and labs have tests of their own."""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("shown"))


@pytest.mark.parametrize("options", [own for own in SHOWN if not ELSEWHERE & set(own)], ids=" ".join)
def test_what_the_readme_shows_runs(command: Command, tmp_path: Path, options: list[str]):
    devices = ["--devices=2"] if any("--devices" in option for option in options) else []
    command.shown("fed", *options, *LITTLE, *devices, f"--output={tmp_path / 'run'}")
    assert (tmp_path / "run" / "report.html").exists()


def source_of(page: Path, name: str) -> str:
    """A function of a page's examples, with what it imports."""
    examples = [example.source for example in doctest.DocTestParser().get_examples(page.read_text())]
    return "".join(source for source in examples if source.startswith(("import ", "from ", f"def {name}(")))


@pytest.mark.parametrize(("page", "name"), [("README.md", "clustered"), ("docs/extending.md", "line")])
def test_an_algorithm_of_ones_own_is_a_row_of_the_table(command: Command, tmp_path: Path, page: str, name: str):
    (tmp_path / "mine.py").write_text(source_of(ROOT / page, name))
    command.environment["PYTHONPATH"] = f"{tmp_path}:{ROOT}"
    options = ("--clients=3", *LITTLE[1:], "--algorithms", "fedavg", f"mine:{name}")
    done = command("fed", *options, f"--output={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert compilations(done.stderr, "_round_of_all") == 1 + ("AU pretraining" in done.stderr)
    assert pd.read_csv(tmp_path / "run" / "summary.csv")["algorithm"].tolist()[:2] == ["FedAvg", f"mine:{name}"]
