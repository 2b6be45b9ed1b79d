"""The wheel and the sdist, installed outside a checkout: complete, and usable in a folder with names of ours.

The new environment borrows its dependencies from the current one; only this package is installed anew.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PACKAGES = ("fedpsyau_jax", "experiments", "data", "deployment")


def ran(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the project and nothing that was built in its folder before."""
    copy = tmp_path_factory.mktemp("sources")
    for name in (
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "MANIFEST.in",
        "CITATION.cff",
        "constraints.txt",
        "constraints-flower.txt",
    ):
        shutil.copy(ROOT / name, copy)
    for name in (*PACKAGES, "docs", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    """Made from the sdist, so both are complete if it is."""
    script = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
    ran(sys.executable, "-m", "venv", sources / "builder", cwd=sources)
    builder = sources / "builder" / "bin" / "python"
    ran(builder, "-m", "pip", "install", "--quiet", "setuptools>=77", cwd=sources)
    ran(builder, "-c", script, cwd=sources)
    (sdist,) = (sources / "dist").glob("*.tar.gz")
    ran(builder, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", sdist, cwd=sources)
    (made,) = (sources / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel."""
    place = tmp_path_factory.mktemp("environment")
    ran(sys.executable, "-m", "venv", place, cwd=place)
    ran(place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=place)
    (library,) = place.glob("lib/python*/site-packages")
    (library / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return place / "bin"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A user's folder, whose own data/ and experiments/ cannot even be imported."""
    for name in ("data", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong package')")
    return tmp_path


def test_the_wheel_holds_every_file_of_the_packages(sources: Path, wheel: Path) -> None:
    paths = [path for name in PACKAGES for path in (sources / name).rglob("*") if path.is_file()]
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {str(path.relative_to(sources)) for path in paths}
    assert len(held) > 100


def test_the_sdist_holds_docs_tests_and_constraints(wheel: Path) -> None:
    (sdist,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"constraints.txt", "docs/fed.md", "tests/commands.py", "tests/conftest.py", "CITATION.cff"} <= held
    assert not [name for name in held if "__pycache__" in name]


def test_commands_work_where_the_user_has_folders_of_these_names(scripts: Path, study: Path) -> None:
    fedpsyau = scripts / "fedpsyau"
    assert "compare federated algorithms" in ran(fedpsyau, "--help", cwd=study)
    ran(fedpsyau, "synthesis", "--layout=casme2", "--output=copy", "--subjects=3", "--clips=1", cwd=study)
    options = ("--manual-dir=copy", "--data-dir=made", "--num-workers=2")  # workers import the packages, too
    shown = ran(fedpsyau, "prepare", "casme2", *options, cwd=study)
    assert "Look at it:" in shown
    assert (study / "made" / "casme2").is_dir()
    shown = ran(fedpsyau, "coordination", "--database=casme2", "--data-dir=made", "--output=run", cwd=study)
    assert (study / "run" / "report.html").exists(), shown


def test_a_module_of_the_current_folder_is_found(scripts: Path, study: Path) -> None:
    (study / "mine.py").write_text("def nothing():\n    raise RuntimeError('reached')\n")
    command = [str(scripts / "fedpsyau"), "fed", "--database=mine:nothing", "--clients=2", "--data-dir=made"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, cwd=study, env=environment)
    assert done.returncode == 2, done.stderr
    assert "--database=mine:nothing: the function failed (RuntimeError: reached)" in done.stderr
