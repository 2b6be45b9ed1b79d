"""The notebooks: plain files without outputs, whose commands parse; executed as they stand (slow)."""

import os
import re
import shlex
from pathlib import Path

import nbformat
import pytest

from experiments.fed import FED
from experiments.mer import MER
from experiments.run.lifecycle import options_of
from fedpsyau_jax.options import parsed

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
COMMANDS = {"fed": FED, "mer": MER}
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["clip", "table"]


@each
def test_it_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) > 3
    assert not [cell for cell in cells if cell.outputs or cell.execution_count]


@each
def test_its_command_parses(path: Path) -> None:
    source = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells).replace("\\\n", " ")
    ((name, arguments),) = re.findall(r"^!fedpsyau (\w+) (.*)$", source, re.MULTILINE)
    kind = options_of(COMMANDS[name])
    assert parsed(kind, shlex.split(arguments), prog=name).output


@each
def test_it_is_on_the_site_and_its_links_lead_somewhere(path: Path) -> None:
    assert f"notebooks/{path.name}" in (ROOT / "mkdocs.yml").read_text()
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        assert (path.parent / link).exists(), link


@pytest.mark.slow
@each
def test_it_runs_in_an_empty_folder(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("TFDS_DATA_DIR", os.environ.get("TFDS_DATA_DIR", str(tmp_path / "data")))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    done = NotebookClient(notebook, timeout=3600, kernel_name="python3", resources=resources).execute()
    pictures = [one for cell in done.cells for one in cell.get("outputs", []) if "image/png" in one.get("data", {})]
    assert len(pictures) >= 2
