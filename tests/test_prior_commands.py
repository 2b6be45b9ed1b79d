"""Several priors in one command: one program for all; afterwards experiments.explain looks into the kept networks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import Command, compilations, contents, one_sentence
from fed_on_random_data import random_dataset

from experiments.run.folder import RunFolder

pytestmark = pytest.mark.slow

PRIORS = ("published", "co-occurrence")
FED = ("--clients=2", "--rounds=2", "--local-epochs=1", "--algorithms", "fedavg", "p-fedprox", "--pretraining.epochs=1")
MER = ("--folds=2", "--epochs=2", "--validation-share=0.25", "--select")
RUNS = {
    "fed": ("fed", *FED, "--repeats=2", "--keep-networks"),
    "fed, whole networks": ("fed", *FED, "--repeats=1", "--train-au"),
    "mer": ("mer", *MER, "--au=scratch", "--prior-schedule=decay"),
}
ROWS = {
    "fed": [f"{name}, {prior} prior" for name in ("FedAvg", "P-FedProx") for prior in PRIORS],
    "mer": [f"AU module from scratch, {prior} prior" for prior in PRIORS],
}
KEPT = {"fed": 16, "fed, whole networks": 3, "mer": 3}


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Commands on a folder that looks as if the data had been made in it."""
    command = Command(tmp_path_factory.mktemp("priors"))
    (command.folder / "data" / random_dataset("synthetic", "federated").name).mkdir(parents=True)
    return command


@pytest.fixture(scope="module", params=RUNS)
def run(command: Command, request: pytest.FixtureRequest) -> tuple[str, Path, str]:
    """Which run, its folder, and what it wrote to standard error."""
    name, *options = RUNS[request.param]
    folder = command.folder / request.param.replace(", ", " ").replace(" ", "-")
    done = command(name, *options, f"--output={folder}", "--prior", *PRIORS)
    assert done.returncode == 0, done.stderr
    return request.param, folder, done.stderr


def test_priors_and_repeats_compile_one_round_and_give_other_predictions(run: tuple[str, Path, str]) -> None:
    kind, folder, errors = run
    assert compilations(errors, "_round_of_all") == 1 + ("AU pretraining" in errors)  # once for all runs
    aus = pd.read_csv(folder / "au_predictions.csv")
    groups = dict(list(aus.groupby("algorithm", sort=False)))
    assert list(groups) == ROWS[kind.partition(",")[0]]
    columns = [name for name in aus if name.startswith("probability_")]
    first, other = (groups[name][columns].to_numpy() for name in list(groups)[:2])
    assert np.isfinite(first).all()
    assert (first != other).mean() > 0.9


def test_explain_shows_what_the_kept_networks_made_of_their_priors(
    command: Command, run: tuple[str, Path, str]
) -> None:
    kind, folder, _ = run
    before, rows = contents(folder), ROWS[kind.partition(",")[0]]
    said = command.shown("explain", str(folder), "--ratios", "0", "1")
    assert contents(folder) == before
    output = RunFolder(folder / "explain")
    facts, networks = output.read_json("data.json"), output.read_table("networks.csv")
    assert facts["largest_difference"] < 1e-3
    assert networks["kept"].sum() == KEPT[kind]
    kept = networks.loc[networks["kept"] > 0, "algorithm"].tolist()
    scores, ratio = output.read_table("sensitivity.csv"), facts["run"]["prior_ratio"]
    assert ratio == pytest.approx(0.5 if kind == "mer" else 0.3)
    assert sorted(scores["ratio"].unique()) == sorted({0, ratio, 1})
    assert list(scores["algorithm"].unique()) == kept
    frozen = [f"every algorithm, {prior} prior" for prior in PRIORS]
    assert list(output.read_table("attention.csv")["algorithm"].unique()) == (frozen if kind == "fed" else kept)
    if networks["kept"].sum() == networks["trained"].sum():
        summary = pd.read_csv(folder / "summary.csv").set_index("algorithm")
        own = scores[scores["ratio"] == ratio].groupby("algorithm")[["uf1", "uar", "au_f1"]].mean()
        np.testing.assert_allclose(own.loc[rows], summary.loc[rows, list(own)], atol=0.02)
    assert "not an explanation of cause" in said
    assert (output.path / "report.html").stat().st_size > 10_000


def test_explain_stops_where_networks_changed_hands(command: Command, run: tuple[str, Path, str]) -> None:
    _, folder, _ = run
    first, second, *_ = sorted((folder / "networks").iterdir())
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    try:
        said = one_sentence(command("explain", str(folder), f"--output={folder.parent / 'refused'}"))
    finally:
        first.write_bytes(content)
    assert f"{first.name} is of another run, or of another part of this one" in said
    assert not (folder.parent / "refused").exists()
