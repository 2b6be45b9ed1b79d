"""The public names: imported on first use, documented, with an example, and indexed in docs/api.md."""

import ast
import doctest
import importlib
import inspect
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import fedpsyau_jax
import fedpsyau_jax.models

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"
HEAVY = {"jax", "jaxlib", "flax", "optax", "jraph", "numpy"}
VALUES = {"__version__", "ACTION_UNITS", "VARIANTS"}
"""Strings, tuples and dictionaries have no docstring of their own."""
LAZY_PACKAGES = (fedpsyau_jax, fedpsyau_jax.models)


def names_in_examples() -> set[str]:
    """Attributes of the package that the page's examples use."""
    examples = doctest.DocTestParser().get_examples(PAGE.read_text())
    trees = [ast.parse(example.source) for example in examples]
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def typed_imports(package: object) -> dict[str, str]:
    """For each name that a type checker sees in a lazy package, the module that it is imported from."""
    tree = ast.parse(Path(inspect.getfile(package)).read_text())  # type: ignore[arg-type]
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


@pytest.mark.parametrize("name", ["fedpsyau_jax", "fedpsyau_jax.models"])
def test_importing_the_package_alone_loads_nothing_heavy(name: str) -> None:
    script = f"import sys, {name}; print(sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_a_metric_is_imported_without_flax() -> None:
    script = "import sys, fedpsyau_jax; fedpsyau_jax.uf1; print(sorted({'flax', 'optax'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", LAZY_PACKAGES, ids=lambda package: package.__name__)
def test_a_type_checker_sees_what_is_imported(package: object) -> None:
    imports = typed_imports(package)
    assert {*imports, *VALUES} >= set(package.__all__) >= imports.keys()  # type: ignore[attr-defined]
    for name, module in imports.items():
        home = importlib.import_module(module)
        assert getattr(package, name) is getattr(home, name), name


@pytest.mark.parametrize("package", LAZY_PACKAGES, ids=lambda package: package.__name__)
def test_names_are_listed_and_unknown_ones_refused(package: object) -> None:
    assert set(package.__all__) <= set(dir(package))  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="has no attribute 'fedavgg'"):
        _ = package.fedavgg  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", fedpsyau_jax.__all__)
def test_a_name_has_a_docstring_and_an_example(name: str) -> None:
    value = getattr(fedpsyau_jax, name)
    text = "" if name in VALUES else inspect.getdoc(value) or ""
    assert text or name in VALUES
    assert not text.startswith(f"{name}("), "a NamedTuple's or dataclass's automatic docstring"
    assert ">>>" in text or name in names_in_examples()


def test_the_page_indexes_every_name_once() -> None:
    index = PAGE.read_text().partition("\n## Index\n")[2]
    indexed = re.findall(r"^\| `(\w+)` \|", index, flags=re.MULTILINE)
    assert Counter(indexed) == Counter(fedpsyau_jax.__all__)


def test_the_reference_has_every_name_in_the_section_of_the_index() -> None:
    sections = re.split(r"^### ", PAGE.read_text().partition("\n## Index\n")[2], flags=re.MULTILINE)[2:]
    pages = {path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md")}
    wanted = set()
    for section in sections:
        members = ", ".join(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE))
        wanted.add(f"# {section.splitlines()[0]}\n\n::: fedpsyau_jax\n    options:\n      members: [{members}]\n")
    assert pages == wanted


@pytest.mark.slow
def test_examples_of_the_page_run() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 30
    assert result.failed == 0
