"""Several priors are one axis: rows pair up, statistics see training rows only, one program is compiled."""

from dataclasses import asdict, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fed_on_random_data import random_dataset

from experiments.fed import read_settings
from experiments.inputs.configs import FedSettings, NetworkSettings, check
from experiments.inputs.prior_axis import distinct, fitted, keep_priors, named, refuse_changed_priors, sight
from experiments.inputs.priors import annotations_of
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training import comparison, federation
from experiments.training.splitting import federations, repeated_splits
from experiments.training.tasks import Sighted, frozen, look_up, look_up_sighted
from fedpsyau_jax.priors import AnnotationTable, Prior, identity, published
from fedpsyau_jax.splits.leakage import Origins, refuse_leaks, together
from fedpsyau_jax.types import Batch, ClientState

NAMES = ("published", "co-occurrence")
SETTINGS = FedSettings(
    clients=2, rounds=1, local_epochs=1, algorithms=("local", "fedavg"), network=NetworkSettings(prior=NAMES)
)
DATASET = random_dataset("synthetic", "federated")
COUNT = len(DATASET.subject)
TABLE = annotations_of(DATASET)
SPLITS = repeated_splits(SETTINGS, DATASET)
FOLDS = [together(str(repeat), clients) for repeat, clients in enumerate(SPLITS)]
TRAINING = [fold.train for fold in FOLDS]
FITTED = [fitted(name, TABLE, TRAINING) for name in NAMES]
NOBODY = ClientState({}, {})
seen_rows: list[AnnotationTable] = []


def witness(table: AnnotationTable) -> Prior:
    seen_rows.append(table)
    return identity(12)


def test_a_prior_function_is_given_the_training_rows_of_its_repeat_and_no_others() -> None:
    seen_rows.clear()
    fitted("test_prior_axis:witness", TABLE, TRAINING)
    for seen, fold in zip(seen_rows, FOLDS, strict=True):
        np.testing.assert_array_equal(seen.aus, np.asarray(DATASET.examples.au)[fold.train])
        assert set(seen.subject) == set(DATASET.subject[fold.train])
        assert not set(seen.subject) & set(DATASET.subject[fold.test])


def test_rows_that_a_prior_reports_are_covered_by_the_leak_check() -> None:
    origins = Origins(
        DATASET.subject, DATASET.clip, np.asarray(DATASET.examples.flow), statistics={"the prior x": TRAINING}
    )
    refuse_leaks(FOLDS, origins, part="repeat")
    contaminated = fitted("co-occurrence", TABLE, [TRAINING[0], np.append(TRAINING[1], FOLDS[1].test[:2])])
    with pytest.raises(ValueError, match=r"repeat 1: the prior x was computed with 2 test examples"):
        refuse_leaks(FOLDS, replace(origins, statistics={"the prior x": contaminated.rows}), part="repeat")


def test_examples_are_seen_once_by_each_detector_that_differs() -> None:
    seen = sight(FITTED, [NOBODY, NOBODY])
    assert seen.which.tolist() == [[0, 0], sorted(seen.which[1].tolist(), key=seen.which[1].tolist().index)]
    assert len(seen.detectors) == 3
    for prior, places in zip(FITTED, seen.which, strict=True):
        for own, place in zip(prior.priors, places, strict=True):
            assert all(map(np.array_equal, jax.tree.leaves(own), jax.tree.leaves(seen.detectors[place].priors)))


def test_an_index_means_the_example_as_one_detector_sees_it() -> None:
    store = {"of all": jnp.arange(3), "of each": jnp.arange(6) * 10}
    found = look_up(store, Batch(jnp.array([1, 4]), jnp.ones(2))).examples
    assert found["of all"].tolist() == [1, 1]
    assert found["of each"].tolist() == [10, 40]
    priors = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[own for prior in FITTED for own in prior.priors])
    batch = Batch(jnp.array([COUNT * 3 + 5, 0]), jnp.array([1.0, 0.0]))  # the padded place holds index 0
    chosen = look_up_sighted(Sighted(jax.tree.map(jnp.asarray, DATASET.examples), priors), batch).examples
    np.testing.assert_allclose(chosen.priors.upper.statistics, FITTED[1].priors[1].upper.statistics, rtol=1e-6)
    assert chosen.examples.emotion[0] == DATASET.examples.emotion[5]


def test_rows_are_named_by_algorithm_and_prior() -> None:
    begins = np.zeros((2, 2), int)
    (several,) = federations(SETTINGS, SPLITS, begins)
    assert several.titles == [
        f"{name}, {prior} prior" for name in ("Local only", "FedAvg") for prior in ("published", "co-occurrence")
    ]
    one = replace(SETTINGS, network=NetworkSettings())
    assert federations(one, SPLITS, begins[:1])[0].titles == ["Local only", "FedAvg"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_compilation")
def test_priors_pair_up_in_one_program() -> None:
    """With the same features under both priors all their rows agree bit for bit; with others only those change."""
    generator = np.random.default_rng(0)
    once = generator.random((COUNT, 12, 25), np.float32)
    features = jnp.concatenate([once, once, 1 - once])  # published, then co-occurrence of two repeats
    begins = np.array([[0, 0], [COUNT, 2 * COUNT]])
    (both,) = federations(SETTINGS, SPLITS, begins)
    task = frozen(SETTINGS, DATASET, features)
    program = federation.compiled(SETTINGS, both, task)(task.store)
    _, metrics = program.round(program.init())
    loss = np.asarray(metrics["loss_sum"]).reshape(2, 2, 2, 2)  # algorithms, priors, repeats, clients
    np.testing.assert_array_equal(loss[:, 0, 0], loss[:, 1, 0])
    assert (loss[:, 0, 1] != loss[:, 1, 1]).all()
    assert metrics["evaluation"]["emotion"].shape[:3] == (4, 2, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_compilation")
def test_a_table_compiles_its_round_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Three algorithms, two priors, two repeats, three rounds."""
    settings = replace(SETTINGS, rounds=3, algorithms=("local", "fedavg", "p-fedprox"))
    found = federations(settings, SPLITS, np.array([[0, 0], [COUNT, 2 * COUNT]]))
    task = frozen(settings, DATASET, jnp.ones((3 * COUNT, 12, 25)))
    experiment = comparison.Experiment(settings, RunFolder(tmp_path), DATASET, found)
    with jax.log_compiles(), progress() as stages:
        outcome = comparison.train(experiment, comparison.programs_of(experiment, task)(task.store), stages)
    assert outcome.rounds == 3
    assert outcome.evaluations[0]["emotion"].shape[:3] == (6, 2, 2)
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if line.startswith("Finished XLA compilation of jit(round_)")]) == 1


MISTAKES = {
    ("publshed",): r"--prior=publshed: do you mean published\?",
    ("published", "published"): r"--prior published published: name each prior once",
    (): r"at least one",
    ("no_such_module:f",): r"there is no module 'no_such_module'",
}


@pytest.mark.parametrize(("names", "said"), MISTAKES.items(), ids=str)
def test_a_mistaken_prior_is_one_sentence(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(replace(SETTINGS, network=NetworkSettings(prior=names)))


def test_settings_with_several_priors_are_read_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json("config.json", {"settings": asdict(SETTINGS)})
    assert read_settings(folder) == SETTINGS


def test_the_same_prior_is_kept_once() -> None:
    kinds, places = distinct([published(), FITTED[1].priors[0], published()])
    assert len(kinds) == 2
    assert places[0] == places[2] != places[1]


def test_a_prior_that_changed_is_refused_when_going_on(tmp_path: Path) -> None:
    folder, pairs = RunFolder(tmp_path), named(FITTED)
    assert [name for name, _ in pairs] == ["published", "published", "co-occurrence", "co-occurrence"]
    refuse_changed_priors(folder, "fed", pairs)  # an older run wrote none
    keep_priors(folder, "fed", pairs)
    rounded = [(name, jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), prior)) for name, prior in pairs]
    keep_priors(folder, "fed", rounded)
    other = FITTED[1].priors[0]
    changed = [*pairs[:3], ("co-occurrence", other)]
    for going_on in (keep_priors, refuse_changed_priors):
        with pytest.raises(ValueError, match=r"was run with another prior than co-occurrence is now: put back"):
            going_on(folder, "fed", changed)
    with pytest.raises(ValueError, match="another prior than published"):
        keep_priors(folder, "fed", pairs[:2])


@pytest.mark.parametrize("damage", ["empty", "half", "other arrays", "text"])
def test_a_damaged_file_of_priors_is_named(tmp_path: Path, damage: str) -> None:
    folder, pairs = RunFolder(tmp_path), named(FITTED)
    keep_priors(folder, "fed", pairs)
    place = tmp_path / "priors" / "fed.npz"
    if damage in ("empty", "half"):
        whole = place.read_bytes()
        place.write_bytes(whole[: len(whole) // 2] if damage == "half" else b"")
    else:
        np.savez(place, **{"other" if damage == "other arrays" else "priors": np.array(["a"])})
    with pytest.raises(ValueError, match=r"fed.npz (cannot be read \(.+\)|holds no priors); restore it; or, if"):
        keep_priors(folder, "fed", pairs)


def test_predictions_of_a_frozen_detector_are_those_of_the_rows_prior() -> None:
    begins = np.array([[0, 0], [COUNT, 2 * COUNT]])
    (both,) = federations(SETTINGS, SPLITS, begins)
    experiment = comparison.Experiment(SETTINGS, RunFolder(Path()), DATASET, [both])
    longest = max(len(client.test) for clients in SPLITS for client in clients)
    evaluation = {"emotion": np.zeros((4, 2, 2, longest, 7))}
    probabilities = np.repeat(np.arange(3) / 4, COUNT)[:, None] * np.ones(12)
    _, aus = comparison.predictions(experiment, both, evaluation, probabilities)
    means = aus.groupby(["algorithm", "repeat"])["probability_AU1"].agg(["min", "max"])
    for title in ("Local only", "FedAvg"):
        assert means.loc[f"{title}, published prior"].to_numpy().tolist() == [[0, 0], [0, 0]]
        assert means.loc[f"{title}, co-occurrence prior"].to_numpy().tolist() == [[0.25, 0.25], [0.5, 0.5]]
