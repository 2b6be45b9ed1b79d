"""Several processes on one machine train a run as one does; a lost one is one sentence, and the run goes on."""

import re
import signal
from pathlib import Path

import pandas as pd
import pytest
from together import FED, MER, Together, content, ended, free_port, tables

pytestmark = pytest.mark.slow
FEDAVG = (*FED, "--algorithms", "fedavg")
TOLERANCE = 1e-4
"""Relative of losses, absolute of probabilities, where sums over clients are added in another order."""
LOST = "another process of this run has ended; start all of them again, with --resume={}, to go on"


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Together:
    return Together(tmp_path_factory.mktemp("together"))


@pytest.fixture(scope="module")
def of_two(together: Together) -> Path:
    """A run of two processes that share the clients of its only training."""
    folder, dump = together.folder / "two", together.folder / "hlo"
    flags = f"--xla_dump_to={dump} --xla_dump_hlo_module_re=.*round_of_all.*"
    first, second = together.run(2, "fed", *FEDAVG, f"--output={folder}", XLA_FLAGS=flags)
    assert "Kept for experiments.explain" in first.stdout
    assert "Gloo" not in first.stdout
    assert (second.stdout, second.stderr) == ("", "")
    return folder


def assert_close(folder: Path, other: Path, tolerance: float) -> None:
    (metrics, predictions), (their_metrics, their_predictions) = tables(folder), tables(other)
    pd.testing.assert_frame_equal(metrics, their_metrics, rtol=tolerance)
    pd.testing.assert_frame_equal(predictions, their_predictions, rtol=0, atol=tolerance)


def test_two_processes_that_share_clients_agree_with_one(together: Together, of_two: Path):
    assert_close(of_two, together.alone("fed", *FEDAVG), TOLERANCE)


def test_a_round_of_federated_averaging_is_one_all_reduce(together: Together, of_two: Path):
    texts = [path.read_text() for path in (together.folder / "hlo").glob("*after_optimizations.txt")]
    assert texts
    for text in texts:
        assert re.findall(r" (all-\w+|collective-\w+|reduce-scatter)(?:-start)?\(", text) == ["all-reduce"]


def test_processes_killed_and_interrupted_end_as_uninterrupted(together: Together, of_two: Path, tmp_path: Path):
    folder = tmp_path / "run"
    first, _ = together.stopped(1, signal.SIGKILL, 2, folder, *FEDAVG, f"--output={folder}")
    assert first.returncode == 2
    assert first.stderr.splitlines()[-1] == f"Error: {LOST.format(folder)}"
    both = together.stopped(1, signal.SIGINT, 10, folder, f"--resume={folder}")
    assert [done.returncode for done in both] == [130, 130], both
    assert f"--resume={folder}" in both[0].stdout
    _, second = together.stopped(0, signal.SIGKILL, 20, folder, f"--resume={folder}")
    assert (second.returncode, second.stderr) == (2, f"Error: {LOST.format(folder)}\n")
    together.run(2, "fed", f"--resume={folder}")
    assert content(folder) == content(of_two)


def test_a_run_of_two_processes_goes_on_in_one(together: Together, of_two: Path, tmp_path: Path):
    folder = tmp_path / "run"
    together.stopped(0, signal.SIGINT, 8, folder, *FEDAVG, f"--output={folder}")
    (done,) = ended([together.start("fed", f"--resume={folder}")])
    assert done.returncode == 0, done.stderr
    assert_close(folder, of_two, TOLERANCE)


def test_processes_of_slurm_train_folds_of_their_own(together: Together, tmp_path: Path):
    port, variables = str(free_port()), {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2"}
    options = (*MER, f"--output={tmp_path / 'run'}", "--coordinator=slurm")
    both = [
        together.start("mer", *options, **variables, JAX_COORDINATOR_PORT=port, SLURM_PROCID=task, SLURM_LOCALID=task)
        for task in "01"
    ]
    both_done = ended(both)
    assert [done.returncode for done in both_done] == [0, 0], [done.stderr for done in both_done]
    (alone,) = ended([together.start("mer", *MER, f"--output={tmp_path / 'alone'}")])
    assert alone.returncode == 0, alone.stderr
    assert_close(tmp_path / "run", tmp_path / "alone", 1e-6)
    assert (tmp_path / "run" / "predictions.csv").read_bytes() == (tmp_path / "alone" / "predictions.csv").read_bytes()


def test_four_processes_train_two_rows_with_two_clients_each(together: Together, tmp_path: Path):
    options = (*FED, "--algorithms", "local", "p-fedprox")
    together.run(4, "fed", *options, f"--output={tmp_path / 'four'}")
    (alone,) = ended([together.start("fed", *options, f"--output={tmp_path / 'alone'}")])
    assert alone.returncode == 0, alone.stderr
    assert_close(tmp_path / "four", tmp_path / "alone", TOLERANCE)


def test_processes_with_other_settings_or_without_company_are_told(together: Together, tmp_path: Path):
    options = (*FEDAVG, f"--output={tmp_path / 'run'}", f"--coordinator=127.0.0.1:{free_port()}", "--processes=2")
    alone = together.start("fed", *options[:-2], "--coordinator=127.0.0.1:9", "--processes=2", "--process-id=1",
                           "--join-seconds=2")  # fmt: skip
    both = [together.start("fed", *options, f"--process-id={index}", f"--seed={index}") for index in range(2)]
    first, second, lonely = ended([*both, alone])
    assert [done.returncode for done in (first, second, lonely)] == [2, 2, 2]
    assert "the settings of process 1 are not those of process 0 (seed is 1, there 0)" in second.stderr
    assert first.stderr.splitlines()[-1].startswith("Error: another process of this run has ended")
    assert lonely.stderr.startswith("Error: not all 2 processes met at 127.0.0.1:9 within 2 s")
    assert not (tmp_path / "run").exists()
