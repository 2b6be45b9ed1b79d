import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from openpyxl import load_workbook

from data import pipeline
from data.apex import APEX_KINDS, midpoint, spot
from data.building import builder_of, quiet_tfds
from data.clips import Clip
from data.dataset import Dataset, from_builder, load, with_classes
from data.labels import THREE
from data.pipeline import ClipError
from data.progress import silent
from data.samm.samm_dataset_builder import Builder
from data.survey import Choices
from fedpsyau_jax.synthesis.layouts import LAYOUTS, Truth, write_copy
from fedpsyau_jax.vision.detection import NoFaceError
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.scaling import min_max

ROOT = Path(__file__).parents[1]
UNDECODABLE = b"\xff\xd8\xff nothing \xff\xd9"


def no_face(picture: np.ndarray) -> np.ndarray:
    """A detector that never finds any."""
    raise NoFaceError


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """Five clips, of which one shows no face and has no landmarks."""
    folder = tmp_path_factory.mktemp("samm") / "copy"
    whole = write_copy(LAYOUTS["samm"], folder, num_subjects=2, clips_per_subject=2, quirks=False, faceless=True)
    assert len(whole.rows) == 5
    return whole


@pytest.fixture(scope="module")
def made(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset]:
    data_dir = tmp_path_factory.mktemp("tfds")
    return data_dir, from_builder(builder(truth.root, data_dir))


def builder(copy: Path | None, data_dir: Path, **options: Any) -> Callable[[], Builder]:
    options = {"landmarker": no_face, "progress": silent, "num_workers": 1} | options
    return partial(Builder, config="all", manual_dir=copy, data_dir=data_dir, **options)


@pytest.fixture
def own_copy(truth: Truth, tmp_path: Path) -> Path:
    return Path(shutil.copytree(truth.root, tmp_path / "copy"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the clips whose samples are computed from now on."""
    clips: list[str] = []
    compute = pipeline.make_arrays

    def counting(clip: Clip, recipe: pipeline.Recipe) -> Any:
        clips.append(clip.annotation.clip)
        return compute(clip, recipe)

    monkeypatch.setattr(pipeline, "make_arrays", counting)
    return clips


def test_samples_are_those_of_the_copy(truth: Truth, made: tuple[Path, Dataset]):
    _, dataset = made
    rows = sorted(truth.samples, key=lambda row: row.filename)
    assert dataset.clip.tolist() == [row.filename for row in rows]
    assert dataset.subject.tolist() == [row.subject for row in rows]
    assert dataset.row.tolist() == [row.row for row in rows]
    named = [dataset.class_names[place] for place in dataset.examples.emotion]
    assert named == [{"other": "others"}.get(row.emotion or "", row.emotion) for row in rows]
    for row, au in zip(rows, dataset.examples.au, strict=True):
        shown = {int(name[2:]) for name, present in zip(dataset.au_names, au, strict=True) if present}
        assert shown == set(row.action_units or ())
    assert dataset.metadata["table_sha256"] == dataset.metadata["tables"][truth.tables[0].name]
    assert (dataset.metadata["apex"], dataset.metadata["landmarker"]) == ("drop", "no_face")


def test_a_clip_without_a_face_is_dropped(truth: Truth, made: tuple[Path, Dataset]):
    (row,) = truth.dropped
    expected = {"row": row.row, "clip": row.filename, "reason": "no face found in the onset frame"}
    assert made[1].metadata["dropped"] == [expected]


def test_a_dataset_is_read_without_the_copy(made: tuple[Path, Dataset]):
    data_dir, dataset = made
    again = load("samm", data_dir=data_dir)
    assert again.fingerprint == dataset.fingerprint
    assert again.metadata == dataset.metadata
    with pytest.raises(ValueError, match=r"casme2/all is not built here yet: name your copy of CASME II with --manual"):
        load("casme2", data_dir=data_dir)


def test_a_copy_in_which_no_face_is_found_is_refused(truth: Truth, own_copy: Path, tmp_path: Path):
    shutil.rmtree(own_copy / "landmarks")
    with pytest.raises(ClipError, match="none of 5 clips becomes a sample: no face found in the onset frame"):
        from_builder(builder(own_copy, tmp_path / "tfds"))


def test_classes_are_mapped_and_the_rest_dropped(made: tuple[Path, Dataset]):
    data_dir, dataset = made
    changed = dataset.examples._replace(emotion=np.array([dataset.class_names.index("happiness"), -1, 8, 0]))
    three = with_classes(Dataset(**{**vars(dataset), "examples": changed}), 3)
    assert three.class_names == THREE
    assert three.examples.emotion.tolist() == [1, 0]
    assert three.clip.tolist() == dataset.clip[[0, 3]].tolist()
    np.testing.assert_array_equal(three.examples.flow, dataset.examples.flow[[0, 3]])
    reasons = {row["clip"]: row["reason"] for row in three.metadata["dropped"][1:]}
    assert reasons == {
        dataset.clip[1]: "no emotion is annotated",
        dataset.clip[2]: "emotion 'others' is in none of the 3 classes",
    }
    assert three.fingerprint != dataset.fingerprint
    assert load("samm", data_dir=data_dir, classes=7).class_names == dataset.class_names[:7]
    with pytest.raises(ValueError, match="5 classes: there are maps to 3, 4 and 7 classes"):
        with_classes(dataset, 5)


@pytest.mark.parametrize(("policy", "kind"), [(midpoint, "midpoint"), (spot, "spotted")])
def test_a_clip_without_an_apex_gets_one(policy: Any, kind: str, truth: Truth, own_copy: Path, tmp_path: Path):
    row = truth.samples[0]
    book = load_workbook(own_copy / truth.tables[0].name)
    book.worksheets[0].cell(row.row, 5).value = row.onset
    book.save(own_copy / truth.tables[0].name)
    make = builder(own_copy, tmp_path / "tfds", choices=Choices(apex=policy))
    from_builder(make)
    with quiet_tfds():
        records = {record["row"]: record for record in make().as_data_source(split="train")}
    frames = records[row.row]["frames"]
    assert APEX_KINDS[records[row.row]["apex_kind"]] == kind
    assert frames["onset"] == row.onset
    assert (
        frames["apex"] == -((row.onset + row.offset) // -2)
        if kind == "midpoint"
        else abs(frames["apex"] - row.true_apex) <= 2
    )
    assert {APEX_KINDS[record["apex_kind"]] for number, record in records.items() if number != row.row} == {"annotated"}


def test_samples_are_written_as_they_are_made(
    truth: Truth, made: tuple[Path, Dataset], tmp_path: Path, monkeypatch: Any
):
    monkeypatch.setattr("data.builder._SAMPLES_A_SHARD", 1)
    written: list[int] = []

    def watching(items: Any, total: int, description: str) -> Any:
        for item in items:
            written.append(len(list(tmp_path.rglob("*.array_record*"))))
            yield item

    make = builder(truth.root, tmp_path, progress=watching)
    sharded = from_builder(make)
    assert written[0] == 1
    assert written[-1] == len(made[1].clip)  # the files of the samples before, and the one that is written now
    assert sharded.fingerprint == made[1].fingerprint
    assert sharded.metadata == made[1].metadata
    assert from_builder(make).fingerprint == made[1].fingerprint


@pytest.mark.parametrize("file", ["dataset_info.json", "metadata.json", "samm-train.array_record-00000-of-00001"])
def test_a_dataset_whose_files_are_broken_is_named(made: tuple[Path, Dataset], tmp_path: Path, file: str):
    data_dir = Path(shutil.copytree(made[0], tmp_path / "tfds"))
    folder = data_dir / "samm" / "all" / "1.0.0"
    (folder / file).write_text("{")
    for demands in ({}, {"apex": "drop"}):
        with pytest.raises(OSError, match=rf"{folder}: cannot be read .*; delete this folder and run again"):
            from_builder(builder_of("samm", None, data_dir), demands)


KILLED = """
import os, signal, sys
from data.dataset import from_builder
from data.samm.samm_dataset_builder import Builder
from fedpsyau_jax.vision.detection import NoFaceError

def no_face(picture):
    raise NoFaceError

def killing(items, total, description):
    for place, item in enumerate(items):
        if place == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield item

copy, data_dir = sys.argv[1:]
from_builder(lambda: Builder(
    config="all", manual_dir=copy, data_dir=data_dir, landmarker=no_face, progress=killing, num_workers=1,
))
"""


def test_a_build_goes_on_where_it_was_killed(
    truth: Truth, made: tuple[Path, Dataset], tmp_path: Path, computed: list[str]
):
    command = [sys.executable, "-c", KILLED, str(truth.root), str(tmp_path)]
    died = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert died.returncode == -signal.SIGKILL, died.stderr
    resumed = from_builder(builder(truth.root, tmp_path))
    assert resumed.fingerprint == made[1].fingerprint
    assert len(computed) == len(truth.rows) - 3
    assert not list((tmp_path / "unfinished").rglob("*.npz"))


def test_a_broken_file_of_an_unfinished_build_is_made_again(truth: Truth, tmp_path: Path, computed: list[str]):
    make = builder(truth.root, tmp_path)()
    (clip, *_) = make.survey().clips
    tmp_path.joinpath("work").mkdir()
    first, second = (pipeline.prepare(clip, make.how, tmp_path / "work") for _ in range(2))
    (kept,) = tmp_path.joinpath("work").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    third = pipeline.prepare(clip, make.how, tmp_path / "work")
    assert computed == [clip.annotation.clip] * 2
    for again in (second, third):
        assert isinstance(first, pipeline.Prepared)
        assert isinstance(again, pipeline.Prepared)
        np.testing.assert_array_equal(again.sample.patches, first.sample.patches)


def test_what_was_built_outlives_a_build_that_fails(truth: Truth, made: tuple[Path, Dataset], tmp_path: Path):
    shutil.copytree(made[0], tmp_path / "tfds")
    copy = Path(shutil.copytree(truth.root, tmp_path / "copy"))
    (copy / truth.samples[0].onset_file.relative_to(truth.root)).write_bytes(UNDECODABLE)
    with pytest.raises(ClipError, match=rf"table row {truth.samples[0].row}, clip .*: cannot be decoded"):
        from_builder(builder(copy, tmp_path / "tfds", vision=Settings(scaling=min_max)))
    assert load("samm", data_dir=tmp_path / "tfds").fingerprint == made[1].fingerprint


def test_pictures_that_only_decoding_finds_broken_are_all_told_and_the_rest_is_kept(
    truth: Truth, own_copy: Path, tmp_path: Path, computed: list[str]
):
    first, *_, last = truth.samples
    broken = [own_copy / row.onset_file.relative_to(truth.root) for row in (first, last)]
    for picture in broken:
        picture.write_bytes(UNDECODABLE)
    with pytest.raises(ClipError) as error:
        from_builder(builder(own_copy, tmp_path / "tfds"))
    lines = str(error.value).splitlines()
    assert [f"row {row.row}, clip {row.filename}: " in line for row, line in zip((first, last), lines, strict=True)]
    assert all(str(picture) in line for picture, line in zip(broken, lines, strict=True))
    computed.clear()
    skipped = from_builder(builder(own_copy, tmp_path / "tfds", choices=Choices(skip_broken=True)))
    assert set(computed) == {first.filename, last.filename, truth.dropped[0].filename}
    assert len(skipped.clip) == len(truth.samples) - 2
    reasons = {row["row"]: row["reason"] for row in skipped.metadata["dropped"]}
    assert reasons[first.row] == lines[0]


def test_a_blank_face_is_dropped_never_made_a_still_one(truth: Truth, own_copy: Path, tmp_path: Path):
    black, elsewhere, *_ = truth.samples
    picture = own_copy / black.onset_file.relative_to(truth.root)
    picture.write_bytes(cv2.imencode(".jpg", np.zeros((256, 256), np.uint8))[1].tobytes())
    assert elsewhere.landmarks is not None
    points = own_copy / elsewhere.landmarks.relative_to(truth.root)
    far = np.loadtxt(elsewhere.landmarks) + 5000
    points.write_text("".join(f"{x} {y}\n" for x, y in far))
    dropped = {row["row"]: row["reason"] for row in from_builder(builder(own_copy, tmp_path)).metadata["dropped"]}
    assert dropped[black.row] == f"no face: {picture} is blank where its landmarks are"
    told = dropped[elsewhere.row]
    assert told.startswith("no face: the eyes of its landmarks lie outside ")
    assert told.endswith(elsewhere.onset_file.name)


def test_a_dataset_put_aside_by_a_build_that_was_killed_is_found_again(made: tuple[Path, Dataset], tmp_path: Path):
    data_dir = Path(shutil.copytree(made[0], tmp_path / "tfds"))
    aside = data_dir / "unfinished" / "samm" / "all.replaced"
    aside.parent.mkdir(parents=True, exist_ok=True)
    (data_dir / "samm" / "all" / "1.0.0").rename(aside)
    incomplete = data_dir / "samm" / "all" / "incomplete.ABCDEF_1.0.0"
    incomplete.mkdir()
    assert load("samm", data_dir=data_dir).fingerprint == made[1].fingerprint
    assert not aside.exists()
    assert not incomplete.exists()


@pytest.mark.slow
def test_the_command_goes_on_after_a_kill(truth: Truth, own_copy: Path, tmp_path: Path):
    """Killed with two workers at work; the finished samples are used as they are."""
    shutil.rmtree(own_copy / truth.dropped[0].onset_file.parent.relative_to(truth.root))
    command = [sys.executable, "-m", "data.prepare", "samm", "--manual-dir", str(own_copy), "--skip-broken"]
    command += ["--num-workers", "2", "--data-dir"]
    whole = subprocess.run([*command, str(tmp_path / "whole")], capture_output=True, text=True, cwd=ROOT)
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen([*command, str(tmp_path / "tfds")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    kept = wait_for_samples(tmp_path / "tfds" / "unfinished")
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert all(zipfile.is_zipfile(path) for path in kept)
    assert not list((tmp_path / "tfds" / "samm").rglob("dataset_info.json"))
    for path in kept:
        marked = dict(np.load(path)) | {"flow": np.full((28, 28, 3), 0.125, np.float32)}
        np.savez(path, **marked)
    resumed = subprocess.run([*command, str(tmp_path / "tfds")], capture_output=True, text=True, cwd=ROOT)
    assert resumed.returncode == 0, resumed.stderr
    expected, found = (load("samm", data_dir=tmp_path / name) for name in ("whole", "tfds"))
    taken = (found.examples.flow == 0.125).all(axis=(1, 2, 3))
    assert taken.sum() == len(kept)
    np.testing.assert_array_equal(found.examples.flow[~taken], expected.examples.flow[~taken])
    np.testing.assert_array_equal(found.examples.patches, expected.examples.patches)


def wait_for_samples(folder: Path, seconds: float = 120) -> list[Path]:
    deadline = time.monotonic() + seconds
    while not (kept := list(folder.rglob("*.npz"))):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return kept


def test_other_settings_or_another_copy_make_it_again(
    truth: Truth, made: tuple[Path, Dataset], own_copy: Path, tmp_path: Path, computed: list[str]
):
    data_dir = Path(shutil.copytree(made[0], tmp_path / "tfds"))
    assert from_builder(builder(own_copy, data_dir)).fingerprint == made[1].fingerprint
    assert computed == []
    other = from_builder(builder(own_copy, data_dir, vision=Settings(scaling=min_max)))
    assert other.metadata["pipeline"]["scaling"] == "min_max"
    assert len(computed) == len(truth.rows)
    shutil.rmtree(own_copy / truth.samples[0].onset_file.parent.relative_to(truth.root))
    make = builder(own_copy, data_dir, choices=Choices(skip_broken=True), vision=Settings(scaling=min_max))
    with quiet_tfds():
        digest = make().survey().digest()
    fewer = from_builder(make, {"copy_sha256": digest})
    assert len(fewer.clip) == len(made[1].clip) - 1
    assert {row["clip"] for row in fewer.metadata["dropped"]} == {truth.samples[0].filename, truth.dropped[0].filename}
