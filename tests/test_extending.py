"""docs/extending.md: its examples run, are short, and touch no file of the package."""

import ast
import doctest
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "extending.md"
PACKAGES = ("fedpsyau_jax", "experiments", "data")
EXTENSIONS = (
    "A new prior",
    "A new aggregation rule",
    "A rule for each round",
    "A new optimiser of the server",
    "A new combinator",
    "A new regulariser",
    "A new database",
)
LONGEST = 12


def sources() -> dict[Path, bytes]:
    return {path: path.read_bytes() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def definitions(heading: str) -> list[int]:
    """Lines of each function of a section."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    code = "".join(example.source for example in doctest.DocTestParser().get_examples(section))
    functions = [node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    return [(node.end_lineno or 0) - node.lineno + 1 for node in functions]


@pytest.mark.slow
def test_examples_run_and_touch_no_file_of_the_package() -> None:
    before = sources()
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 30
    assert result.failed == 0
    assert sources() == before


@pytest.mark.parametrize("heading", EXTENSIONS)
def test_an_extension_is_one_short_function(heading: str) -> None:
    (length,) = definitions(heading)
    assert length <= LONGEST


def test_examples_replace_nothing_of_the_package() -> None:
    """No assignment to an attribute, no patching: what is imported is used as it is."""
    code = "".join(example.source for example in doctest.DocTestParser().get_examples(PAGE.read_text()))
    kinds = Counter(
        type(target).__name__
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Assign | ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    )
    assert kinds["Name"] > 10
    assert not kinds["Attribute"]
    assert not {"setattr", "monkeypatch", "open("} & set(code.split())
