import json
import os

import numpy as np
import pandas as pd
import pytest

from experiments.run import environment
from experiments.run import folder as runfolder


@pytest.fixture
def folder(tmp_path):
    return runfolder.create(tmp_path / "runs" / "first")


def test_an_existing_folder_is_refused_and_left_alone(folder):
    folder.write_json("config.json", {"seed": 1})
    with pytest.raises(FileExistsError, match=r"first exists already; choose another with --output"):
        runfolder.create(folder.path)
    assert folder.read_json("config.json") == {"seed": 1}


def test_an_unwritable_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match=r"run cannot be written .*; choose another with --output"):
        runfolder.create(tmp_path / "file" / "run")


def test_only_a_folder_can_be_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run folder"):
        runfolder.existing(tmp_path / "nothing")
    assert runfolder.existing(tmp_path).path == tmp_path


def test_an_interrupted_write_leaves_the_old_file(folder, monkeypatch):
    def killed(descriptor):
        raise KeyboardInterrupt

    folder.write_text("summary.csv", "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.write_text("summary.csv", "new and longer")
    assert (folder.path / "summary.csv").read_text() == "old"
    folder.write_text("summary.csv", "new")
    assert [file.name for file in folder.path.iterdir()] == ["summary.csv"]


def test_tables_come_back_as_they_were(folder):
    table = pd.DataFrame(
        {
            "repeat": [0, 1],
            "client": ["01", "2"],
            "label": ["None", "NA"],
            "p_None": np.random.default_rng(0).random(2),
            "uf1": [np.nan, 0.1 + 0.2],
        }
    )
    folder.write_table("predictions.csv", table)
    pd.testing.assert_frame_equal(folder.read_table("predictions.csv"), table, check_exact=True)


def test_missing_and_broken_files_are_named(folder):
    with pytest.raises(ValueError, match=r"not a finished run folder: it has no data\.json"):
        folder.read_json("data.json")
    (folder.path / "data.json").write_text('{"name": ')
    with pytest.raises(ValueError, match=r"data\.json cannot be read"):
        folder.read_json("data.json")
    (folder.path / "metrics.csv").write_text("")
    with pytest.raises(ValueError, match=r"metrics\.csv cannot be read"):
        folder.read_table("metrics.csv")


def test_figures_get_their_folder_and_checkpoints_are_absolute(folder, monkeypatch):
    folder.write_bytes("figures/curves.png", b"image")
    assert (folder.path / "figures" / "curves.png").read_bytes() == b"image"
    monkeypatch.chdir(folder.path.parent)
    assert runfolder.existing("first").checkpoints == folder.path.resolve() / "checkpoints"


def test_environment_names_versions_and_devices():
    facts = json.loads(json.dumps(environment.environment()))
    assert facts["packages"]["numpy"] == np.__version__
    assert sum(facts["devices"].values()) >= 1
    assert set(facts) == set(runfolder.ENVIRONMENT)
    assert facts["python"].startswith("3.")


def test_git_commit_is_that_of_the_checkout_itself(tmp_path, monkeypatch):
    for variable in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(variable, raising=False)
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    environment._git(tmp_path, "init")
    assert environment._git_commit(tmp_path) is None  # no commit yet
    (tmp_path / "code.py").write_text("1")
    environment._git(tmp_path, "add", "code.py")
    environment._git(tmp_path, *identity, "commit", "-m", "first")
    commit = environment._git_commit(tmp_path)
    assert commit == environment._git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "code.py").write_text("2")
    assert environment._git_commit(tmp_path) == f"{commit} + changes"
    (tmp_path / "installed").mkdir()
    assert environment._git_commit(tmp_path / "installed") is None
