"""Private rows in the engine: one program, each subject's rows together, the stated noise; what a run says."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from commands import Command, compilations
from engine_on_random_data import DATA, federation, noise, random_store, table, task_in
from made_up_runs import finished_run
from rich.console import Console

from experiments.inputs.privacy import PrivacySettings
from experiments.inputs.splits import splits_of
from experiments.pages import report
from experiments.pages.privacy import sentences
from experiments.results.privacy import FILE, SITE
from experiments.run.folder import RunFolder
from experiments.training.plan import Group, arrays
from experiments.training.privacy import detector_in_words, privacy_table
from experiments.training.program import initial_state, one_round
from experiments.training.rows import Table
from fedpsyau_jax.federated import sequential
from fedpsyau_jax.federated.private import BySubject
from fedpsyau_jax.federated.private.accountant import epsilon

pytest.importorskip("dp_accounting", reason="the extra privacy is not installed")


def private(**more: Any) -> Table:
    settings = replace(federation(False, epochs=2), clients=2, algorithms=("fedavg", "p-fedprox"), **more)
    return table(settings, splits_of(settings, DATA), noise())


SUBJECT = {"dp": "subject", "privacy": PrivacySettings(sampling=0.5), "sweep": ("epsilon=8,inf",)}
CLIENT = {"dp": "client", "privacy": PrivacySettings(epsilon=8.0)}


@pytest.fixture(scope="module")
def by_subject() -> Table:
    return private(**SUBJECT)


def test_epsilons_are_an_axis_of_one_program(by_subject: Table) -> None:
    (group,) = by_subject.groups
    assert [row.title for row in by_subject.rows] == [
        f"{name}, epsilon {value}" for name in ("FedAvg", "P-FedProx") for value in ("8", "inf")
    ]
    noises = [float(one.numbers.noise) for one in group.trainings]
    assert noises[1::2] == [0, 0]
    assert epsilon(noises[0], 0.5, 2 * 2, 1e-5) == pytest.approx(8, rel=1e-3)


@pytest.mark.slow
def test_a_row_of_the_data_is_a_subject(by_subject: Table) -> None:
    (group,) = by_subject.groups
    train = arrays(group, [0], 1, np.arange(len(DATA.clip)), 0).train
    assert isinstance(train, BySubject)
    for rows, mask, client in zip(train.examples[0], train.mask[0], group.trainings[0].split.clients, strict=True):
        seen = [np.asarray(clips)[np.asarray(real) > 0] for clips, real in zip(rows, mask, strict=True)]
        assert sorted(np.concatenate(seen)) == sorted(client.train)
        people = [set(DATA.subject[clips]) for clips in seen if len(clips)]
        assert all(len(own) == 1 for own in people)
        assert len(set.union(*people)) == len(people)


def shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["subject", "client"])
def test_a_private_round_keeps_the_shapes_and_statistics_of_the_state(kind: str) -> None:
    (group,) = private(**(SUBJECT if kind == "subject" else CLIENT)).groups
    store = random_store(group, noise(), np.float32)
    task = task_in(group, store)
    own = jax.tree.map(lambda leaf: leaf[0], arrays(group, [0], 1, np.arange(len(DATA.clip)), 3))
    state = jax.eval_shape(lambda: initial_state(group.recipe, task, store, own))
    after, counts = jax.eval_shape(lambda given: one_round(group.recipe, task, sequential, given, own, store), state)
    assert shapes(after.federation.clients) == shapes(state.federation.clients)
    assert {"loss_sum", "num_examples", "diverged", "confusion"} <= counts.keys()


def guarantees(group: Group, settings: Any) -> pd.DataFrame:
    trainings = [(settings, "fedavg" if "FedAvg" in one.row else "p-fedprox", one) for one in group.trainings]
    return privacy_table(trainings, detector_in_words(3, ["made/up"], 0)).set_index(["algorithm", "against"])


def test_another_site_has_the_epsilon_that_was_asked_for_and_the_server_sees_shares() -> None:
    (group,) = private(**CLIENT).groups
    settings = replace(federation(False, epochs=2), clients=2, **CLIENT)
    found = guarantees(group, settings)
    own = found.xs(SITE, level="against")
    assert own["epsilon"].tolist() == pytest.approx([8, 8], rel=1e-3)
    assert (found["epsilon_rdp"] >= 0.99 * found["epsilon"]).all()
    assert (found["steps"] == 2).all()
    models = found.xs("the published models", level="against")["epsilon"]
    assert models["FedAvg"] < 8  # nobody outside knows a site's own share
    assert models["P-FedProx"] == pytest.approx(8, rel=1e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = finished_run(tmp_path_factory.mktemp("runs") / "run", algorithms=("FedAvg", "P-FedProx"), skill=0.5)
    (group,) = private(**SUBJECT).groups
    made = guarantees(group, replace(federation(False, epochs=2), **SUBJECT)).reset_index()
    rows = made["algorithm"].map({"FedAvg, epsilon 8": "FedAvg", "P-FedProx, epsilon inf": "P-FedProx"})
    RunFolder(path).write_table(FILE, made.assign(algorithm=rows).dropna())
    return path


def test_epsilon_stands_beside_the_scores_with_what_it_means(folder: Path) -> None:
    output = io.StringIO()
    report.show(RunFolder(folder), Console(file=output, width=200))
    shown = output.getvalue()
    heading, fedavg = (
        next(line for line in shown.splitlines() if line.startswith(name)) for name in ("algo", "FedAvg")
    )
    assert "ε" in heading
    assert fedavg.split()[1] == "8.00"
    assert "protects each subject, with all clips" in shown
    assert "Not protected: the 3 subjects (made/up) on whom the AU detector was pretrained" in shown
    assert "No noise, so no guarantee at all: P-FedProx." in shown
    page = report.write(RunFolder(folder)).read_text()
    for word in ("Differential privacy", "ε by RDP", "another site", "none of them in the federation"):
        assert word in page


def test_an_epsilon_too_large_to_mean_anything_is_said_to_be(folder: Path) -> None:
    made = pd.read_csv(folder / FILE)
    *_, last = sentences(made.assign(epsilon=made["epsilon"].clip(upper=40).where(made["epsilon"] < 10, 40)))
    assert last.startswith("An ε above 10 is too large to mean anything by itself")
    assert last.endswith("So it is in P-FedProx.")
    assert not any("too large" in one for one in sentences(made[made["algorithm"] == "FedAvg"]))


@pytest.mark.slow
def test_the_command_trains_all_epsilons_in_one_program(tmp_path: Path) -> None:
    command = Command(tmp_path)
    little = ("--clients=2", "--rounds=2", "--local-epochs=1", "--repeats=1", "--pretraining.epochs=1")
    options = ("--algorithms", "fedavg", "p-fedprox", "--dp=subject", "--sweep", "epsilon=8,inf")
    done = command("fed", *little, *options, f"--output={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert compilations(done.stderr, "_round_of_all") == 1 + ("AU pretraining" in done.stderr)
    table = pd.read_csv(tmp_path / "run" / FILE)
    assert table["not_covered"].str.contains("8 subjects").all()
    assert set(table["epsilon"].round(1)) == {8.0, np.inf}
    again = command("fed", f"--resume={tmp_path / 'run'}")
    assert again.returncode == 0, again.stderr
