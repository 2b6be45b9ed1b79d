"""Labs as a configuration of the synthetic database: rendered once, read as any database, made again if they change."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from data import contact_sheet
from data.building import quiet_tfds
from data.databases import check_known
from data.dataset import Dataset, from_builder, load
from data.labels import EMOTIONS
from data.progress import silent
from data.synthetic.synthetic_dataset_builder import Builder, labs_config
from fedpsyau_jax.synthesis.lab_shift import FACTORS, LabShift
from fedpsyau_jax.synthesis.labs import Labs, labs_of
from fedpsyau_jax.synthesis.population import FEDERATED, clips, subject_numbers

TINY = replace(FEDERATED, num_subjects=6, min_clips=1, extra_clips=0.0)
LABS = Labs(3, LabShift(*[1.0] * len(FACTORS)), TINY)


def builder(data_dir: Path, labs: Labs = LABS) -> partial[Builder]:
    return partial(Builder, config=labs_config(labs), data_dir=data_dir, progress=silent, num_workers=1)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def dataset(data_dir: Path) -> Dataset:
    return from_builder(builder(data_dir))


def test_each_example_says_in_which_lab_it_was_recorded(dataset: Dataset):
    assert dataset.name == "synthetic/labs-3-1/1.0.0"
    assert dataset.site.tolist() == ["lab1", "lab1", "lab2", "lab2", "lab3", "lab3"]
    assert dataset.subject.tolist() == [f"sub{number:04d}" for number in range(1, 7)]
    assert tuple(dataset.class_names) == tuple(name for name in EMOTIONS if name in dataset.class_names)


def test_labels_are_those_of_the_labs_annotators_and_what_they_do_not_look_for_is_masked(dataset: Dataset):
    coded = []
    for lab in labs_of(LABS):
        for subject in subject_numbers(lab.population):
            (clip,) = clips(lab.population, subject, lab.site)
            coded.append({f"AU{action.au}" for action in lab.site.annotators.coded(clip.actions)})
    named = [{dataset.au_names[i] for i in np.flatnonzero(row)} for row in dataset.examples.au]
    assert named == coded
    masked = [{dataset.au_names[i] for i in np.flatnonzero(row == 0)} for row in dataset.examples.au_mask]
    expected = [{"AU5"}] * 2 + [set()] * 2 + [{"AU15", "AU6", "AU10"}] * 2
    everything = set(dataset.au_names)
    assert [found if codes else everything for found, codes in zip(expected, coded, strict=True)] == masked


def test_pictures_have_the_size_that_the_lab_films(dataset: Dataset, data_dir: Path):
    sizes = {clip: contact_sheet.read_grey(path).shape for clip, path in _onsets(data_dir)}
    assert sizes == {
        "sub0001_01": (179, 179), "sub0002_01": (179, 179), "sub0003_01": (256, 256), "sub0004_01": (256, 256),
        "sub0005_01": (128, 128), "sub0006_01": (128, 128),
    }  # fmt: skip


def test_labs_are_rendered_once_and_again_if_they_are_others(dataset: Dataset, data_dir: Path):
    before = {path: path.stat().st_mtime_ns for _, path in _onsets(data_dir)}
    again = from_builder(builder(data_dir))
    assert again.fingerprint == dataset.fingerprint
    assert {path: path.stat().st_mtime_ns for _, path in _onsets(data_dir)} == before
    with quiet_tfds():
        first, other = builder(data_dir)(), builder(data_dir, replace(LABS, population=replace(TINY, seed=1)))()
        usual = Builder(config="labs-3-1", data_dir=data_dir)
    assert len({one.picture_folder for one in (first, other, usual)}) == 3
    assert other.recipe() != first.recipe()


def test_labs_are_named_like_any_configuration(tmp_path: Path):
    assert check_known("synthetic", "labs-4-light1") == "labs-4-light1"
    with quiet_tfds():
        made = Builder(config="labs-4-light1", data_dir=tmp_path)
    assert made.builder_config.labs == Labs(4, LabShift(light=1.0))
    with pytest.raises(ValueError, match=r"^unknown factor lihgt: did you mean light\?$"):
        load("synthetic", "labs-4-lihgt1", data_dir=tmp_path)
    with pytest.raises(ValueError, match=r"^no database dfme/labs-3-1; there are synthetic/federated"):
        load("dfme", "labs-3-1", data_dir=tmp_path)


def test_the_contact_sheet_shows_clips_of_every_lab(dataset: Dataset, data_dir: Path):
    with quiet_tfds():
        made = builder(data_dir)()
    found = made.clips_to_make(None).clips
    shown = contact_sheet.of_every_site(found, made.site_of, 3)
    assert [made.site_of(clip.annotation) for clip in shown] == ["lab1", "lab2", "lab3"]


def _onsets(data_dir: Path) -> list[tuple[str, Path]]:
    folders = sorted(data_dir.glob("pictures/synthetic/labs-3-1-*/train_data/*"))
    return [(folder.name, min(folder.glob("*.png"))) for folder in folders]
