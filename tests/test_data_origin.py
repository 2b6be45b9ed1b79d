"""A dataset on disk is used for the copy it was made of, and for no other."""

import csv
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from openpyxl import load_workbook

from data.apex import midpoint
from data.dataset import Dataset, load
from data.origin import as_recorded, recorded
from data.progress import silent
from data.survey import Choices
from fedpsyau_jax.synthesis.layouts import LAYOUTS, Truth, write_copy
from fedpsyau_jax.vision.detection import NoFaceError
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.scaling import min_max


def no_face(picture: np.ndarray) -> np.ndarray:
    """A detector that never finds any."""
    raise NoFaceError


def other_no_face(picture: np.ndarray) -> np.ndarray:
    """Another."""
    raise NoFaceError


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Three clips; the table is text, so that it can be mended without another size."""
    folder = tmp_path_factory.mktemp("casme2") / "copy"
    whole = write_copy(LAYOUTS["casme2"], folder, num_subjects=3, clips_per_subject=1, quirks=False)
    (book,) = whole.tables
    with (folder / "CASME2-coding.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(load_workbook(book).worksheets[0].iter_rows(values_only=True))
    book.unlink()
    return whole


@pytest.fixture(scope="module")
def made(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset]:
    data_dir = tmp_path_factory.mktemp("tfds")
    return data_dir, read(data_dir, truth.root)


def read(data_dir: Path, copy: Path | None, **options: Any) -> Dataset:
    options = {"landmarker": no_face, "progress": silent, "num_workers": 1} | options
    return load("casme2", data_dir=data_dir, manual_dir=copy, **options)


@pytest.fixture
def own(truth: Truth, made: tuple[Path, Dataset], tmp_path: Path) -> tuple[Path, Path]:
    """A data folder and a copy to change."""
    data_dir = Path(shutil.copytree(made[0], tmp_path / "tfds"))
    return data_dir, Path(shutil.copytree(truth.root, tmp_path / "moved"))


def test_the_same_copy_elsewhere_is_the_same(own: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.pipeline.make_arrays", None)  # nothing is made again
    data_dir, copy = own
    before = next(data_dir.rglob("metadata.json")).stat().st_mtime_ns
    for _ in range(2):
        assert len(read(data_dir, copy).clip) == 3
    assert next(data_dir.rglob("metadata.json")).stat().st_mtime_ns == before


def test_a_copy_that_is_not_there_is_an_error(own: tuple[Path, Path], tmp_path: Path):
    data_dir, copy = own
    (tmp_path / "empty").mkdir()
    for folder, told in (
        (tmp_path / "absent", "is no folder"),
        (copy / "sub01", "no annotation table"),
        (tmp_path / "empty", "is empty"),
    ):
        with pytest.raises(ValueError, match=told) as error:
            read(data_dir, folder)
        assert str(folder) in str(error.value)
        assert f"leave --manual-dir out to use {data_dir}" in str(error.value)
        assert "\n" not in str(error.value)
    assert len(read(data_dir, None).clip) == 3


def lines_of(copy: Path) -> tuple[Path, list[str]]:
    table = next(copy.glob("*.csv"))
    return table, table.read_text().splitlines(keepends=True)


def drop_last_row(copy: Path) -> None:
    table, lines = lines_of(copy)
    table.write_text("".join(lines[:-1]))


def change_apex(copy: Path) -> None:
    """Another frame; the table keeps its size and time."""
    table, (header, first, *others) = lines_of(copy)
    before = table.stat()
    cells = first.split(",")
    cells[4] = str(int(cells[4]) + 1)
    table.write_text("".join([header, ",".join(cells), *others]))
    os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert table.stat().st_size == before.st_size


@pytest.mark.slow
@pytest.mark.parametrize("change", [drop_last_row, change_apex])
def test_a_mended_table_makes_it_again(change: Any, own: tuple[Path, Path], made: tuple[Path, Dataset]):
    data_dir, copy = own
    change(copy)
    again = read(data_dir, copy)
    assert again.metadata["table_sha256"] != made[1].metadata["table_sha256"]
    assert again.fingerprint != made[1].fingerprint
    assert read(data_dir, None).fingerprint == again.fingerprint


@pytest.mark.slow
def test_other_pictures_make_it_again(own: tuple[Path, Path], made: tuple[Path, Dataset]):
    data_dir, copy = own
    for path in (copy / "sub01").rglob("*.jpg"):
        path.write_bytes(cv2.imencode(".jpg", cv2.imread(str(path))[:, ::-1])[1].tobytes())
    assert read(data_dir, copy).fingerprint != made[1].fingerprint


def test_a_copy_that_lacks_clips_is_refused_and_the_dataset_stays(own: tuple[Path, Path], made: tuple[Path, Dataset]):
    data_dir, copy = own
    (copy / "sub03").rename(copy.parent / "gone")
    with pytest.raises(ValueError, match="folder sub03"):
        read(data_dir, copy)
    assert read(data_dir, None).fingerprint == made[1].fingerprint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"choices": Choices(apex=midpoint)}, "--apex"),
        ({"vision": Settings(scaling=min_max)}, "--crop, --flow, --scaling or --keep-head-motion"),
        ({"landmarker": other_no_face}, "--landmarker"),
        ({"choices": Choices(skip_broken=True)}, "--skip-broken"),
    ],
)
def test_what_was_decided_about_a_dataset_is_not_lost(options: dict[str, Any], told: str, truth: Truth, tmp_path: Path):
    copy = Path(shutil.copytree(truth.root, tmp_path / "copy"))
    decided = read(tmp_path / "tfds", copy, **options)
    kept = {name: value for name, value in options.items() if name == "landmarker"}
    assert read(tmp_path / "tfds", copy, **kept).fingerprint == decided.fingerprint
    drop_last_row(copy)
    with pytest.raises(ValueError, match=rf"was made of another copy or table than .*copy, .*\({told}\)") as error:
        read(tmp_path / "tfds", copy)
    assert "python -m data.prepare casme2" in str(error.value)
    assert read(tmp_path / "tfds", None).fingerprint == decided.fingerprint
    assert len(read(tmp_path / "tfds", copy, **options).clip) == 2


@pytest.mark.slow
def test_a_named_table_is_looked_at_again(truth: Truth, tmp_path: Path):
    copy = Path(shutil.copytree(truth.root, tmp_path / "copy"))
    table = Path(shutil.move(next(copy.glob("*.csv")), tmp_path / "mine.csv"))
    decided = read(tmp_path / "tfds", copy, choices=Choices(table=table))
    assert read(tmp_path / "tfds", copy).fingerprint == decided.fingerprint
    drop_last_row(tmp_path)
    with pytest.raises(ValueError, match=r"another copy or table than .*\(--table\)"):
        read(tmp_path / "tfds", copy)
    table.unlink()
    with pytest.raises(ValueError, match="no annotation table of CASME II"):
        read(tmp_path / "tfds", copy)


def test_choices_are_recorded_and_read_again(tmp_path: Path):
    (tmp_path / "table.csv").touch()
    (tmp_path / "points").mkdir()
    choices = Choices(
        table=tmp_path / "table.csv", landmarks=tmp_path / "points", skip_broken=True, emotions={1: "fear", 2: None}
    )
    assert as_recorded(recorded(choices)) == choices
    assert as_recorded({}) == Choices()


def test_what_is_rendered_needs_no_copy(tmp_path: Path):
    with pytest.raises(ValueError, match="synthetic is rendered, not made from a copy; leave it out"):
        load("synthetic", manual_dir=tmp_path)
