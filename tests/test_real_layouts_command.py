"""The commands on small synthetic copies in the layouts of real databases, from the user's folders to the report."""

from pathlib import Path

import pandas as pd
import pytest

from experiments import compare, fed, mer, pretrain
from experiments.run import lifecycle
from fedpsyau_jax.synthesis.layouts import LAYOUTS, write_copy

SMALL = "--network.variant=no-transformer-no-gat"

pytestmark = pytest.mark.slow


class Place:
    """A folder with copies, data and runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def copy(self, layout: str) -> Path:
        path = self.folder / "copies" / layout
        write_copy(LAYOUTS[layout], path, num_subjects=4, clips_per_subject=3, seed=0, quirks=False, landmarks=False)
        return path

    def run(self, module, name: str, *options: str) -> Path:
        path = self.folder / name
        arguments = [*options, SMALL, f"--data-dir={self.folder / 'data'}", f"--output={path}"]
        assert lifecycle.exit_status(lambda: module.main(arguments)) == 0
        assert (path / "report.html").exists()
        return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "cache_compilations", lambda: None)
        yield Place(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def detector(place: Place) -> Path:
    copies = [f"{name}={place.copy(name)}" for name in ("disfa", "ckplus")]
    databases = ("--databases", "disfa", "ckplus", "--manual-dir", *copies)
    return place.run(pretrain, "detector", *databases, "--pretraining.epochs=1")


@pytest.fixture(scope="module")
def casme3(place: Place) -> Path:
    return place.copy("casme3")


def test_pretraining_keeps_subjects_of_both_databases_apart(detector: Path):
    (held_out,) = pd.read_csv(detector / "splits.csv")["subjects"].str.split()
    assert [subject.partition("/")[0] for subject in held_out] == ["ckplus", "disfa"]
    aus = pd.read_csv(detector / "action_units.csv").set_index("au")
    assert aus.loc["AU7", "train_labelled"] < aus.loc["AU1", "train_labelled"]  # DISFA does not label it


def test_casme3_leaving_one_subject_out(place: Place, detector: Path, casme3: Path):
    options = (f"--manual-dir={casme3}", "--protocol=loso", "--epochs=1", f"--au-init={detector}")
    path = place.run(mer, "casme3", "--database=casme3", *options)
    predictions = pd.read_csv(path / "predictions.csv")
    assert (predictions["fold"] == predictions["subject"]).all()
    assert predictions["subject"].nunique() > 3
    assert {"p_negative", "p_positive", "p_surprise"} <= set(predictions)
    again = place.run(mer, "casme3-longer", "--database=casme3", *options, "--epochs=2")
    compared = place.folder / "compared"
    assert lifecycle.exit_status(lambda: compare.main([str(path), str(again), f"--output={compared}"])) == 0
    assert len(pd.read_csv(compared / "differences.csv")) == 1


def test_dfme_in_three_folds(place: Place, detector: Path):
    options = (f"--manual-dir={place.copy('dfme')}", "--protocol=kfold", "--folds=3", "--epochs=1")
    predictions = pd.read_csv(
        place.run(mer, "dfme", "--database=dfme", *options, f"--au-init={detector}") / "predictions.csv"
    )
    assert predictions["fold"].nunique() == 3
    assert (predictions.groupby("subject")["fold"].nunique() == 1).all()
    assert not predictions["clip"].duplicated().any()


def test_a_federation_on_casme3(place: Place, detector: Path, casme3: Path):
    options = (f"--manual-dir={casme3}", "--clients=2", "--rounds=1", "--local-epochs=1", "--repeats=1")
    path = place.run(fed, "fed", "--database=casme3", *options, "--algorithms", "fedavg", f"--au-init={detector}")
    assert len(pd.read_csv(path / "predictions.csv")) > 0
