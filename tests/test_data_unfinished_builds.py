"""Builds that stop halfway, and datasets that are made again."""

import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from samm_builds import builder, five_clips

from data import flows, pipeline
from data.building import quiet_tfds
from data.clips import Clip
from data.dataset import Dataset, from_builder, load
from data.pipeline import ClipError
from data.survey import Choices
from fedpsyau_jax.synthesis.layouts import Truth
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.scaling import min_max

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("optimised")]  # as the processes compile that are killed

ROOT = Path(__file__).parents[1]
UNDECODABLE = b"\xff\xd8\xff nothing \xff\xd9"


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return five_clips(tmp_path_factory.mktemp("samm") / "copy")


@pytest.fixture(scope="module")
def made(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Dataset]:
    data_dir = tmp_path_factory.mktemp("tfds")
    return data_dir, from_builder(builder(truth.root, data_dir))


@pytest.fixture
def own_copy(truth: Truth, tmp_path: Path) -> Path:
    return Path(shutil.copytree(truth.root, tmp_path / "copy"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the clips whose samples are computed from now on."""
    clips: list[str] = []
    find = pipeline.find_faces

    def counting(clip: Clip, recipe: pipeline.Recipe) -> Any:
        clips.append(clip.annotation.clip)
        return find(clip, recipe)

    monkeypatch.setattr(pipeline, "find_faces", counting)
    monkeypatch.setattr(flows, "find_faces", counting)
    return clips


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
    assert len(computed) <= len(truth.rows) - 3  # some were finished before they were asked for
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
