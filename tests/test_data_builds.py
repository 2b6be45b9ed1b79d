import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from openpyxl import load_workbook
from samm_builds import builder, five_clips

from data.apex import APEX_KINDS, midpoint, spot
from data.building import builder_of, quiet_tfds
from data.dataset import Dataset, from_builder, load, with_classes
from data.labels import THREE
from data.pipeline import ClipError
from data.survey import Choices
from fedpsyau_jax.synthesis.layouts import Truth


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


@pytest.mark.filterwarnings("ignore:.*label.. is deprecated:DeprecationWarning")  # tfds with protobuf 6
def test_a_user_of_tfds_reads_it_without_tensorflow(made: tuple[Path, Dataset]):
    data_dir, dataset = made
    source = tfds.data_source("samm/all", split="train", data_dir=data_dir, download=False)
    assert [record["clip"].decode() for record in source] == dataset.clip.tolist()
    np.testing.assert_array_equal(source[0]["flow"], dataset.examples.flow[0])
    assert tfds.builder("samm/all", data_dir=data_dir).info.features["emotion"].names == list(dataset.class_names)


@pytest.mark.filterwarnings("ignore:.*label.. is deprecated:DeprecationWarning")  # tfds with protobuf 6
def test_the_format_is_that_on_the_disk_and_tfrecord_is_for_tensorflow(made: tuple[Path, Dataset], tmp_path: Path):
    data_dir, _ = made
    shutil.copytree(data_dir / "samm", tmp_path / "samm")
    description = tmp_path / "samm" / "all" / "1.0.0" / "dataset_info.json"
    description.write_text(description.read_text().replace('"array_record"', '"tfrecord"'))
    assert tfds.builder("samm/all", data_dir=data_dir).info.file_format.value == "array_record"
    assert tfds.builder("samm/all", data_dir=tmp_path).info.file_format.value == "tfrecord"
    with pytest.raises(OSError, match=r"of the format tfrecord, which only tfds\.load reads, with TensorFlow; choose"):
        load("samm", data_dir=tmp_path)


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


@pytest.mark.slow
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


@pytest.mark.slow
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
