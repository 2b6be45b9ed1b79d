"""fed and explain on several databases: each a client, by name in every table, resumed, explained and compared."""

import signal
from pathlib import Path

import pandas as pd
import pytest
from commands import Command, contents, one_sentence
from explained_runs import explaining, finished_run, the_error

from experiments import compare
from experiments.inputs.settings import FedSettings
from experiments.run import lifecycle
from experiments.run.folder import RunFolder

pytestmark = pytest.mark.slow

NAMES = ("casme2", "samm", "casme3")
OPTIONS = (
    *("--database", *NAMES, "--client-by=database", "--mu", "0.01", "0.001", "0.01", "--algorithms", "p-fedprox"),
    *("--network.variant=no-transformer-no-gat", "--pretraining.epochs=1", "--checkpoint-seconds=0"),
    *("--rounds=2", "--local-epochs=1", "--repeats=1", "--split=examples"),
)
SETTINGS = FedSettings(
    database=("dfme", "samm"), client_by="database", clients=2, classes=7, algorithms=("fedavg",), repeats=1, rounds=2
)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("databases"))


def test_each_database_is_a_client_and_a_killed_run_ends_the_same(command: Command, tmp_path: Path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    shown = command.shown("fed", *OPTIONS, f"--output={whole}")
    assert "UF1 of each client" in shown
    assert set(NAMES) <= set(shown.split())
    command.stop_at_round("fed", (*OPTIONS, f"--output={killed}"), killed, 1, signal.SIGKILL)
    command.shown("fed", f"--resume={killed}")
    assert contents(killed) == contents(whole)
    assert (killed / "part_scores.csv").read_bytes() == (whole / "part_scores.csv").read_bytes()
    predictions = pd.read_csv(whole / "predictions.csv")
    assert (predictions["client"] == predictions["database"]).all()
    assert (predictions["clip"].str.partition("/")[0] == predictions["database"]).all()
    assert [one["name"].partition("/")[0] for one in RunFolder(whole).read_json("data.json")["databases"]] == [*NAMES]
    assert pd.read_csv(whole / "part_scores.csv")["name"].unique().tolist() == [*NAMES]
    compared = tmp_path / "compared"
    runs = [str(whole), str(killed), f"--output={compared}"]
    assert lifecycle.exit_status(lambda: compare.main(runs)) == 0


def test_what_cannot_be_run_is_one_sentence(command: Command, tmp_path: Path):
    told = one_sentence(command("fed", *OPTIONS, "--clients=4", f"--output={tmp_path / 'run'}"))
    assert "each of the 3 databases is split among equally many clients" in told
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    finished_run(folder / "run", "fed", SETTINGS)
    for name in SETTINGS.database:
        (folder / "data" / f"{name}/{name}-all/0.0.0").mkdir(parents=True)
    return folder


def test_networks_of_several_databases_are_explained(explained: Path, capsys: pytest.CaptureFixture[str]):
    run = explained / "run"
    with explaining(explained / "data") as command:
        assert command(run) == 0
        facts = RunFolder(run / "explain").read_json("data.json")
        assert facts["name"] == "dfme/dfme-all/0.0.0 + samm/samm-all/0.0.0"
        assert facts["run"]["parts"] == 2
        data = RunFolder(run).read_json("data.json")
        data["databases"][1]["fingerprint"] = "f" * 64
        RunFolder(run).write_json("data.json", data)
        capsys.readouterr()
        assert command(run, f"--output={explained / 'again'}") == 2
        assert "but samm/samm-all/0.0.0 has" in the_error(capsys)
