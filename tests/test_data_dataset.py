import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from data import contact_sheet
from data.databases import DATABASES, REAL
from data.dataset import Dataset, fingerprint, from_builder, load
from data.dfme.layout import LAYOUT
from data.parallel import in_processes
from data.pipeline import Recipe
from data.prepare import Options
from data.progress import silent
from data.survey import Choices, CopyError, survey
from data.synthetic.synthetic_dataset_builder import Builder, SyntheticConfig
from fedpsyau_jax.synthesis import challenge_layout
from fedpsyau_jax.synthesis.population import FEDERATED, clips
from fedpsyau_jax.synthesis.site import USUAL
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.scaling import min_max

TINY = replace(FEDERATED, num_subjects=2, min_clips=2, extra_clips=0.0)


def tiny_builder(data_dir: Path, num_workers: int = 1, **choices: object) -> partial[Builder]:
    config = SyntheticConfig(name="tiny", description="For tests.", population=TINY, **choices)
    return partial(Builder, config=config, data_dir=data_dir, progress=silent, num_workers=num_workers)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def dataset(data_dir: Path) -> Dataset:
    return from_builder(tiny_builder(data_dir))


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_samples_are_typed_sorted_and_complete(dataset: Dataset):
    examples = dataset.examples
    assert examples.flow.shape == (4, 28, 28, 3)
    assert examples.patches.shape == (4, 65, 5, 5, 3)
    assert examples.flow.dtype == examples.patches.dtype == np.float32
    for image in (examples.flow, examples.patches):
        assert 0 <= image.min() < image.max() <= 1
    assert dataset.clip.tolist() == ["sub0001_01", "sub0001_02", "sub0002_01", "sub0002_02"]
    assert dataset.subject.tolist() == ["sub0001", "sub0001", "sub0002", "sub0002"]
    assert dataset.name == "synthetic/tiny/1.0.0"
    assert dataset.synthetic


def test_labels_are_those_of_the_generative_model(dataset: Dataset):
    truth = [clip for subject in (1, 2) for clip in clips(TINY, subject)]
    assert dataset.examples.emotion.tolist() == [clip.emotion for clip in truth]
    shown = [{f"AU{action.au}" for action in clip.actions} for clip in truth]
    named = [{dataset.au_names[i] for i in np.flatnonzero(row)} for row in dataset.examples.au]
    assert named == shown
    np.testing.assert_array_equal(dataset.examples.au_mask, 1)


def test_metadata_says_how_it_was_made(dataset: Dataset, data_dir: Path):
    (table,) = data_dir.glob(f"pictures/synthetic/tiny-*/{challenge_layout.TABLE}")
    assert dataset.metadata["table_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert dataset.metadata["pipeline"]["scaling"] == "FixedRange(motion=4.0, strain=0.5)"
    assert dataset.metadata["opencv"] == cv2.__version__
    assert dataset.metadata["dropped"] == []


@pytest.mark.slow
def test_reading_again_and_building_elsewhere_give_the_same(dataset: Dataset, data_dir: Path, tmp_path: Path):
    again = from_builder(tiny_builder(data_dir))
    elsewhere = from_builder(tiny_builder(tmp_path, num_workers=2))
    assert dataset.fingerprint == again.fingerprint == elsewhere.fingerprint
    assert contents(data_dir / "pictures") == contents(tmp_path / "pictures")


def test_fingerprint_sees_every_array_and_name(dataset: Dataset):
    flow = dataset.examples.flow.copy()
    flow[0, 0, 0, 0] += 1e-6
    changed = [
        replace(dataset, examples=dataset.examples._replace(flow=flow)),
        replace(dataset, examples=dataset.examples._replace(emotion=dataset.examples.emotion[::-1])),
        replace(dataset, subject=dataset.subject[::-1]),
        replace(dataset, class_names=dataset.class_names[::-1]),
    ]
    changed.append(replace(dataset, site=np.array(["a", "b", "a", "b"])))
    assert len({dataset.fingerprint, *map(fingerprint, changed)}) == 6
    assert dataset.site.tolist() == ["synthetic"] * 4
    assert fingerprint(replace(dataset, site=np.zeros(0, str))) == dataset.fingerprint
    assert fingerprint(replace(dataset, metadata={})) == dataset.fingerprint


@pytest.mark.slow
def test_another_recipe_is_made_again_from_the_same_pictures(data_dir: Path, dataset: Dataset, tmp_path: Path):
    shutil.copytree(data_dir, tmp_path / "copy")
    before = contents(tmp_path / "copy" / "pictures")
    other = from_builder(tiny_builder(tmp_path / "copy", settings=Settings(scaling=min_max)))
    assert other.metadata["pipeline"]["scaling"] == "min_max"
    assert other.fingerprint != dataset.fingerprint
    assert contents(tmp_path / "copy" / "pictures") == before


def test_what_is_only_read_is_never_made_again(data_dir: Path, dataset: Dataset, tmp_path: Path):
    assert from_builder(tiny_builder(data_dir), only_read=True).fingerprint == dataset.fingerprint
    before = contents(data_dir)
    other = tiny_builder(data_dir, settings=Settings(scaling=min_max))
    with pytest.raises(
        ValueError, match="is outdated: this version makes it with another pipeline, and a command that"
    ):
        from_builder(other, only_read=True)
    assert contents(data_dir) == before
    with pytest.raises(
        ValueError, match=f"{tmp_path}.*: the dataset is not there, and a command that reads runs makes"
    ):
        from_builder(tiny_builder(tmp_path), only_read=True)
    assert not list(tmp_path.iterdir())


def test_interrupted_filming_goes_on_where_it_was(data_dir: Path, dataset: Dataset, tmp_path: Path):
    (done,) = (data_dir / "pictures" / "synthetic").iterdir()
    root = tmp_path / "half"
    shutil.copytree(done, root)
    (root / challenge_layout.TABLE).unlink()
    shutil.rmtree(root / challenge_layout.PICTURES / "sub0002_01")
    film = partial(challenge_layout.write_subject, root, TINY)
    assert list(in_processes(film, [1, 2], num_workers=1)) == [0, 1]
    challenge_layout.write_table(root, [(TINY, USUAL)])
    assert contents(root) == contents(done)


def test_a_broken_picture_is_named_with_its_row(data_dir: Path, dataset: Dataset, tmp_path: Path):
    shutil.copytree(data_dir / "pictures", tmp_path / "pictures")
    picture = next(tmp_path.rglob(f"{challenge_layout.PICTURES}/sub0002_01/*.png"))
    picture.write_bytes(picture.read_bytes()[:500])
    with pytest.raises(CopyError, match=rf"row 4, clip sub0002_01: .*{picture.name}: the picture is truncated"):
        from_builder(tiny_builder(tmp_path))


def test_a_row_of_unknown_emotion_is_dropped(data_dir: Path, dataset: Dataset, tmp_path: Path):
    shutil.copytree(data_dir / "pictures", tmp_path / "pictures")
    table = next(tmp_path.rglob(challenge_layout.TABLE))
    header, first, *others = table.read_text().splitlines()
    emotion = first.split(",")[5]
    table.write_text("\n".join([header, first.replace(emotion, "boredom"), *others]))
    (dropped,) = from_builder(tiny_builder(tmp_path)).metadata["dropped"]
    assert dropped["row"] == 2
    assert dropped["reason"].startswith("emotion 'boredom' is none of anger")


def test_a_broken_package_says_what_to_delete(data_dir: Path, dataset: Dataset, tmp_path: Path):
    shutil.copytree(data_dir, tmp_path / "copy")
    record = next((tmp_path / "copy").rglob("*.array_record*"))
    record.write_bytes(record.read_bytes()[:1000])
    with pytest.raises(OSError, match="delete this folder"):
        from_builder(tiny_builder(tmp_path / "copy"))


@pytest.mark.parametrize(("name", "config"), [("casme9", "federated"), ("synthetic", "huge")])
def test_unknown_databases_are_refused_with_the_known_ones(name: str, config: str):
    with pytest.raises(
        ValueError, match="synthetic/federated, synthetic/pretraining, casme3/part_a, casme3/part_c, dfme/all"
    ):
        load(name, config)


def test_importing_data_is_light():
    heavy = "'jax' in sys.modules, 'tensorflow_datasets' in sys.modules"
    code = f"import data.dataset, data.pipeline, sys; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.slow
def test_contact_sheet_shows_every_clip(data_dir: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch):
    (root,) = (data_dir / "pictures" / "synthetic").iterdir()
    found = survey(LAYOUT, root, "challenge", Choices()).usable()
    sheet = contact_sheet.contact_sheet(found.clips[:3], Recipe(Settings()), columns=2)
    rows, columns, _ = sheet.shape
    assert columns == 4 * rows
    blank = sheet[rows // 2 :, columns // 2 :]
    assert (blank == 255).all()
    assert sheet[: rows // 2].std() > 30


def test_still_skin_is_white_and_directions_differ_in_hue():
    motion = np.array([[[0.0, 0.0], [3.0, 0.0], [-3.0, 0.0]]])
    still, right, left = contact_sheet.flow_colour(motion)[0].astype(int)
    np.testing.assert_array_equal(still, 255)
    assert np.abs(right - left).max() > 200


@pytest.mark.parametrize("name", DATABASES)
def test_every_folder_describes_its_database(name: str):
    builder = import_module(f"data.{name}.{name}_dataset_builder").Builder
    metadata = builder.get_metadata()
    assert builder.name == name
    assert tuple(builder.builder_configs) == DATABASES[name]
    assert "title = {" in (metadata.citation or "")
    assert len(metadata.description or "") > 50
    assert any("facial-attributes" in tag for tag in metadata.tags)
    assert (metadata.description or "").isascii()


def test_the_command_offers_every_real_database():
    assert get_args(get_args(Options.__annotations__["database"])[0]) == REAL
