"""experiments.attack on made-up runs: what it writes and says, and what it refuses."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from explained_runs import DATASET, copied, finished_run, on_random_data, the_error

from experiments import attack
from experiments.inputs.settings import FedSettings, MerSettings
from experiments.pages import membership as page
from experiments.results import inversion
from experiments.results.membership import FILE
from experiments.run import mistakes
from experiments.run.folder import RunFolder

SETTINGS = FedSettings(clients=2, repeats=1, algorithms=("fedavg", "ditto"), rounds=1, local_epochs=1, warmup_epochs=0)
Command = Callable[..., int]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    data = tmp_path_factory.mktemp("data")
    (data / DATASET.name).mkdir(parents=True)
    with on_random_data():
        yield lambda *given: mistakes.exit_status(lambda: attack.main([*map(str, given), f"--data-dir={data}"]))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    finished_run(path, "fed", SETTINGS)
    return path


@pytest.mark.slow
def test_a_run_is_attacked_and_says_by_whom(run: Path, command: Command) -> None:
    output = io.StringIO()
    with redirect_stdout(output):
        assert command(run, "--membership", "--shadows=6") == 0
    table = RunFolder(run / "membership").read_table(FILE)
    models = table.groupby("algorithm", sort=False)["model"].unique().map(list).to_dict()
    assert models == {
        "FedAvg": ["sent", "received", "personal"],
        "Ditto (personal)": ["personal"],
        "Ditto (global)": ["sent", "received"],
    }
    assert set(table["attack"]) == {"LiRA", "RMIA"}
    assert table["auc"].between(0, 1).all()
    assert table["tpr_001"].isna().all()  # so few trials cannot show it
    shown = output.getvalue()
    assert "(synthetic data)" in shown
    assert "0.1% of false positives is less than one" in shown
    text = (run / "membership" / "report.html").read_text()
    assert "Synthetic data." in text
    assert (run / "membership" / "figures" / "roc_subject.png").exists()


@pytest.mark.slow
def test_updates_of_a_run_are_inverted(run: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.attacks.VICTIMS", 1)
    output = io.StringIO()
    with redirect_stdout(output):
        assert command(run, "--inversion", "--steps=2") == 0
    table = RunFolder(run / "inversion").read_table(inversion.FILE)
    assert table["update"].tolist() == [kind for kind in ("one example", "one batch", "a round") for _ in range(2)]
    assert table["aggregated"].tolist() == [False, True] * 3
    assert table["distance"].between(0, 2).all()
    assert "(synthetic data)" in output.getvalue()
    assert (run / "inversion" / "figures" / "pictures_5.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--membership", "--inversion"], "give one attack: --membership or --inversion"),
        ([], "give one attack: --membership or --inversion"),
        (["--membership", "--shadows=7"], "--shadows=7: it must be an even number of at least 6"),
        (["--membership", "--shadows=4"], "--shadows=4: it must be an even number of at least 6"),
    ],
)
def test_bad_options_are_one_sentence(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert command(tmp_path, *options) == 2
    assert said in the_error(capsys)
    assert not list(tmp_path.iterdir())


def spoil(name: str, value: object) -> Callable[[Path], None]:
    def spoiled(path: Path) -> None:
        config = json.loads((path / "config.json").read_text())
        config["settings"][name] = value
        (path / "config.json").write_text(json.dumps(config))

    return spoiled


@pytest.mark.slow
def test_runs_that_cannot_be_attacked_are_refused_in_a_sentence(
    run: Path, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = tmp_path / "folds"
    finished_run(folds, "mer", replace(MerSettings(), epochs=1, folds=2))
    cases = {
        tmp_path / "nothing": "There is no run folder",
        folds: "is a run of experiments.mer, and federations are attacked: give one of fed",
        copied(run, tmp_path / "by-examples", spoil("split", "examples")): "give a run with --split=subjects",
        copied(run, tmp_path / "unfinished", lambda path: (path / "summary.csv").unlink()): "is not finished",
    }
    for path, said in cases.items():
        assert command(path, "--membership") == 2
        assert said in the_error(capsys), path
        assert not (path / "attack").exists()


def test_a_rate_that_cannot_be_seen_is_a_dash_and_no_zero() -> None:
    numbers = {"auc": 0.6, "auc_low": 0.5, "auc_high": 0.7, "tpr_01": 0.1, "tpr_01_low": 0.0, "tpr_01_high": 0.2}
    unseen = {f"tpr_001{end}": float("nan") for end in ("", "_low", "_high")}
    keys = {"algorithm": "FedAvg", "model": "sent", "attack": "LiRA", "unit": "subject", "against": "the server"}
    row = pd.DataFrame([keys | numbers | unseen | {"epsilon_lower": 0.0, "epsilon": float("inf")}])
    (text,) = page.sheet(row).to_dict("records")
    assert text["TPR at 0.1% FPR"] == "-"
    assert text["TPR at 1.0% FPR"] == ".100 [.000, .200]"
    assert (text["ε at least"], text["ε at most"]) == (".00", "none")
