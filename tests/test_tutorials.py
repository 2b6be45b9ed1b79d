"""docs/tutorials: examples run; commands parse, and run in little; all pages are in the site's navigation."""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fedpsyau_jax.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
WITHOUT_FLOWER = [page for page in TUTORIALS if page.stem != "federation"]
"""The commands of the other run in tests/test_deployment_tutorial.py, in the environment that has Flower."""
EXAMPLES = [page for page in TUTORIALS if ">>>" in page.read_text()]
LITTLE = {
    "prepare": ("--num-workers=1",),
    "pretrain": ("--pretraining.epochs=1",),
    "mer": ("--epochs=1", "--batch=16", "--repeats=1", "--checkpoint-seconds=60"),
    "fed": ("--rounds=1", "--local-epochs=1", "--repeats=1", "--clients=2", "--pretraining.epochs=1"),
}


def commands(page: Path) -> list[list[str]]:
    """What the shell blocks of a page run, and the commands within its sentences."""
    text = page.read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line]


def mentioned(page: Path) -> list[str]:
    return re.findall(r"`fedpsyau ([a-z][a-z-]*)", page.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_examples_run(page: Path) -> None:
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 5
    assert result.failed == 0


@pytest.mark.parametrize("page", [*WITHOUT_FLOWER, ROOT / "docs" / "index.md"], ids=lambda page: page.stem)
def test_commands_exist(page: Path) -> None:
    of_ours = [words for words in commands(page) if words[0] != "pip"]
    assert {program for program, *_ in of_ours} <= {"fedpsyau"}
    assert {*(name for _, name, *_ in of_ours), *mentioned(page)} <= COMMANDS.keys()


@pytest.mark.parametrize("page", WITHOUT_FLOWER, ids=lambda page: page.stem)
def test_a_command_says_where_the_next_one_finds_its_results(page: Path) -> None:
    for _, name, *arguments in commands(page):
        assert "--output" in arguments or name in ("prepare", "compare")


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if not link.startswith("http")]
    assert links
    for link in links:
        assert (page.parent / link).exists(), link


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = re.findall(r"(\S+\.md)$", navigation, re.MULTILINE)
    pages = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(pages)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in WITHOUT_FLOWER if commands(page)], ids=lambda page: page.stem)
def test_commands_run_one_after_another(page: Path, tmp_path: Path) -> None:
    """On noise in the place of faces, except those that write and prepare a copy."""
    (tmp_path / "my_prior.py").write_text(source_of(page))
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "TFDS_DATA_DIR": str(tmp_path / "made")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PLATFORMS": "cpu"}
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    for _, name, *arguments in commands(page):
        of_experiments = COMMANDS[name].module.startswith("experiments.")
        start = (str(ROOT / "tests" / "command_on_random_data.py"),) if of_experiments else ("-m", "fedpsyau_jax")
        words = [sys.executable, *start, name, *arguments, *LITTLE.get(name, ())]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr}"


def source_of(page: Path) -> str:
    """The functions of a page's examples, with the imports and constants that they need."""
    examples = [example.source for example in doctest.DocTestParser().get_examples(page.read_text())]
    return "".join(source for source in examples if re.match(r"import |from |def |[A-Z_]+ = ", source))
