import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest
from fed_on_random_data import random_dataset

from experiments import fed as fed_module
from experiments.inputs import databases as loading
from experiments.run import commandline

HERE = Path(__file__).parent
DRIVER = [sys.executable, str(HERE / "fed_on_random_data.py")]
CHEAP = [
    "--clients=2",
    "--rounds=6",
    "--local-epochs=1",
    "--repeats=1",
    "--algorithms",
    "fedavg",
    "p-fedprox",
    "--checkpoint-seconds=0",
    "--pretraining.epochs=1",
]
RESULTS = ("metrics.csv", "predictions.csv", "au_predictions.csv", "summary.csv", "clients.csv")
FILES = (*RESULTS, "config.json", "data.json", "environment.json", "report.html", "checkpoints", "figures")


class Command:
    """The command with its own data and cache folders, so that programs compile once for all tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"}
        self.environment.pop("JAX_COMPILATION_CACHE_DIR", None)

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [*DRIVER, *options, f"--data-dir={self.folder / 'data'}"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=HERE.parent, env=self.environment)

    def __call__(self, *options: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*options)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="session")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("fed"))


@pytest.fixture(scope="session")
def finished(fed: Command) -> tuple[Path, str]:
    """An uninterrupted run and what it printed."""
    folder = fed.folder / "finished"
    done = fed(*CHEAP, f"--output={folder}")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


def rounds_written(folder: Path) -> int:
    path = folder / "metrics.csv"
    return int(pd.read_csv(path)["round"].max()) if path.exists() else 0


def wait_for_round(process: subprocess.Popen[str], folder: Path, number: int) -> None:
    while rounds_written(folder) < number:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def kill_and_resume(fed: Command, options: Sequence[str], folder: Path) -> None:
    """Kill a run after its third round, and let it go on to its end."""
    process = fed.start(*options, f"--output={folder}")
    wait_for_round(process, folder, 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "summary.csv").exists()
    resumed = fed(f"--resume={folder}")
    assert resumed.returncode == 0, resumed.stderr


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "Traceback" not in done.stderr
    return errors[0]


@pytest.mark.slow
def test_a_run_leaves_every_file_and_shows_the_table(finished: tuple[Path, str]):
    folder, shown = finished
    assert set(FILES) <= {path.name for path in folder.iterdir()}
    assert rounds_written(folder) == 6
    for row in ("FedAvg", "P-FedProx", "UF1", "AU-set oracle"):
        assert row in shown
    assert str(folder / "report.html") in shown
    assert not re.findall(r'(?:src|href)="(?!data:|#)', (folder / "report.html").read_text())
    assert not list(folder.rglob("*.unfinished"))


@pytest.mark.slow
def test_predictions_are_of_the_test_examples_and_cover_every_algorithm(finished: tuple[Path, str]):
    folder, _ = finished
    predictions = pd.read_csv(folder / "predictions.csv")
    clients = pd.read_csv(folder / "clients.csv")
    per_algorithm = predictions.groupby("algorithm").size()
    assert per_algorithm.to_dict() == dict.fromkeys(("FedAvg", "P-FedProx"), clients["num_test"].sum())
    assert not predictions.duplicated(["algorithm", "clip"]).any()
    probabilities = predictions.filter(regex="^p_").sum(axis=1)
    assert probabilities.between(1 - 1e-6, 1 + 1e-6).all()


@pytest.mark.slow
def test_same_seed_same_files_and_another_seed_others(fed: Command, finished: tuple[Path, str], tmp_path: Path):
    assert fed(*CHEAP, f"--output={tmp_path / 'again'}").returncode == 0
    assert contents(tmp_path / "again") == contents(finished[0])
    assert fed(*CHEAP, "--seed=1", f"--output={tmp_path / 'other'}").returncode == 0
    assert contents(tmp_path / "other")["metrics.csv"] != contents(finished[0])["metrics.csv"]


@pytest.mark.slow
def test_killed_and_resumed_ends_with_the_same_files(fed: Command, finished: tuple[Path, str], tmp_path: Path):
    folder = tmp_path / "killed"
    kill_and_resume(fed, CHEAP, folder)
    assert contents(folder) == contents(finished[0])


@pytest.mark.slow
def test_interrupted_once_saves_what_is_done_and_resumes(fed: Command, finished: tuple[Path, str], tmp_path: Path):
    folder = tmp_path / "interrupted"
    process = fed.start(*CHEAP, f"--output={folder}")
    wait_for_round(process, folder, 2)
    process.send_signal(signal.SIGINT)
    shown, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    done = rounds_written(folder)
    assert 2 <= done < 6
    assert f"Rounds done: {done} of 6" in shown
    assert (folder / "summary.csv").exists()
    assert (folder / "report.html").exists()
    assert fed(f"--resume={folder}").returncode == 0
    assert contents(folder) == contents(finished[0])


@pytest.mark.slow
def test_corrupt_newest_checkpoint_falls_back_and_says_so(fed: Command, finished: tuple[Path, str], tmp_path: Path):
    folder = tmp_path / "corrupt"
    shutil.copytree(finished[0], folder)
    newest = max(
        (path for path in (folder / "checkpoints").iterdir() if path.name.isdigit()), key=lambda p: int(p.name)
    )
    assert newest.name == "6"
    for path in newest.rglob("d/*"):
        path.write_bytes(b"damaged")
    resumed = fed(f"--resume={folder}")
    assert resumed.returncode == 0, resumed.stderr
    assert "the checkpoint of round 6 is corrupt" in resumed.stderr
    assert "going on from round 5" in resumed.stderr
    assert contents(folder) == contents(finished[0])


@pytest.mark.slow
def test_loss_that_is_not_finite_names_where_and_keeps_the_good_rounds(fed: Command, tmp_path: Path):
    message = one_sentence(fed(*CHEAP, "--learning-rate=1e30", f"--output={tmp_path / 'nan'}"))
    assert re.search(r"FedAvg, repeat 0, client [01], was not finite in round \d", message)


@pytest.mark.slow
def test_two_devices_agree_with_one(fed: Command, finished: tuple[Path, str], tmp_path: Path):
    assert fed(*CHEAP, "--devices=2", f"--output={tmp_path / 'two'}").returncode == 0
    two, one = (pd.read_csv(folder / "metrics.csv") for folder in (tmp_path / "two", finished[0]))
    pd.testing.assert_frame_equal(two[two["round"] == 1], one[one["round"] == 1], rtol=1e-4, atol=1e-5)


README = (HERE.parent / "README.md").read_text()
SHOWN = [line.split() for line in re.findall(r"^python -m experiments.fed ([^#\n]*)", README, re.MULTILINE)]
LITTLE = ["--clients=2", "--rounds=2", "--local-epochs=1", "--repeats=1", "--pretraining.epochs=1"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [o for o in SHOWN if not {"--resume", "--database"} & set(o)], ids=" ".join)
def test_what_the_readme_shows_runs(fed: Command, tmp_path: Path, options: list[str]):
    """In little; what goes on after a kill, and real databases, have tests of their own."""
    devices = ["--devices=2"] if any("--devices" in option for option in options) else []
    done = fed(*options, *LITTLE, *devices, f"--output={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "Rounds done: 2 of 2" in done.stdout


@pytest.mark.slow
def test_everything_as_released_runs(fed: Command, tmp_path: Path):
    released = ["--train-au", "--proximal=released", "--split=examples", "--head-scale=1", "--network.attention=batch"]
    done = fed(*LITTLE, *released, "--network.masking=released", f"--output={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "Rounds done: 2 of 2" in done.stdout


MISTAKES = {
    "unknown option": (["--cleints=5"], r"unknown option --cleints: did you mean --clients\?"),
    "unknown algorithm": (["--algorithms", "fedagv"], r"--algorithms=fedagv: choose one of local, fedavg"),
    "infinite rate": (["--learning-rate=inf"], r"--learning-rate=inf: it must be greater than 0, and finite"),
    "negative decay": (["--weight-decay=-1"], r"--weight-decay=-1.0: it must be at least 0"),
    "undefined scale": (["--head-scale=nan"], r"--head-scale=nan: it must be at least 0"),
    "negative seed": (["--seed=-1"], r"--seed=-1: it must be at least 0"),
    "no number": (["--clients=many"], r"--clients: many is not a whole number"),
    "more clients than subjects": (["--clients=9"], r"9 clients .* 8 subjects: choose 1 to 8"),
    "bad mu count": (["--clients=3", "--mu", "0.1", "0.2"], r"--mu 0.1 0.2: .* each of the 3"),
    "devices that do not divide": (["--clients=5", "--devices=2"], r"--devices=2 does not divide --clients=5"),
    "no rounds": (["--rounds=0"], r"--rounds=0: it must be at least 1"),
    "unknown preset": (["--preset=fast"], r"--preset=fast: choose one of quick, paper"),
    "resume with settings": (["--resume=x", "--rounds=9"], r"leave out all others"),
    "resume of nothing": (["--resume=nowhere"], r"no run folder nowhere"),
}


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The sentence that the command ends with, run in this process: none of these gets as far as training."""
    monkeypatch.setattr(loading, "load", random_dataset)
    monkeypatch.setattr(commandline, "cache_compilations", lambda: None)

    def mistaken(*options: str) -> str:
        status = commandline.guarded(lambda: fed_module.main(options))
        return one_sentence(subprocess.CompletedProcess(options, status, *capsys.readouterr()))

    return mistaken


@pytest.mark.parametrize(("options", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(mistaken: Callable[..., str], tmp_path: Path, options: list[str], said: str):
    where = [] if "--resume" in options[0] else [f"--output={tmp_path / 'run'}"]
    assert re.search(said, mistaken(*options, *where))


def test_an_existing_output_is_left_alone(mistaken: Callable[..., str], tmp_path: Path):
    (tmp_path / "precious").write_text("mine")
    message = mistaken(f"--output={tmp_path}")
    assert str(tmp_path) in message
    assert "--resume" in message
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_an_unwritable_output_is_named(mistaken: Callable[..., str], tmp_path: Path):
    (tmp_path / "file").write_text("not a folder")
    assert "file/run cannot be written" in mistaken(f"--output={tmp_path / 'file' / 'run'}")
