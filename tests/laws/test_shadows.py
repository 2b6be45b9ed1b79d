"""Shadow federations in the engine: halves of people, one program, a planted leak found, and strangers at chance."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from engine_on_random_data import federation, random_store
from fed_on_random_data import random_dataset
from toy_task import toy_task

from data.dataset import Dataset
from experiments.attacks import suspects_of
from experiments.inputs.algorithms import TITLES, TWO_MODELS, algorithm, models
from experiments.inputs.priors import annotations_of
from experiments.inputs.privacy import PrivacySettings
from experiments.inputs.settings import FedSettings
from experiments.inputs.splits import splits_of
from experiments.results.membership import PERSONAL, RECEIVED, SENT, Seen, membership_tables
from experiments.run.progress import Stages
from experiments.training import shadows
from experiments.training.data import RunData
from experiments.training.detectors import DetectorSource
from experiments.training.loop import Job
from experiments.training.plan import arrays
from experiments.training.prepare import Prepared
from experiments.training.program import compile_program, initial_state
from experiments.training.rows import table_of
from experiments.training.shadows import half_of, shadows_of, shares_weights, watched
from experiments.training.shapes import job_arrays_like, task_of
from experiments.training.store import rows_of
from fedpsyau_jax.types import Examples

SHADOWS, PEOPLE, CLIPS = 8, 28, 3


class Silent:
    def start(self, stage: Any) -> None: ...
    def update(self, stage: Any) -> None: ...
    def stop(self, stage: Any, *, finished: bool) -> None: ...


STAGES = Stages(Silent(), clock=lambda: 0.0)


def noisy_people() -> Dataset:
    """Clips whose labels have nothing to do with what they show."""
    plain, draw, count = random_dataset("random", "federated"), np.random.default_rng(0), PEOPLE * CLIPS
    pick = np.arange(count) % len(plain.clip)
    examples = Examples(*(np.asarray(leaf)[pick] for leaf in plain.examples))
    flow = np.repeat(np.repeat(draw.normal(size=(count, 7, 7, 3)), 4, axis=1), 4, axis=2).astype(np.float32)
    labels = draw.integers(0, 7, count)
    subject = np.array([f"s{person:02d}" for person in range(PEOPLE) for _ in range(CLIPS)])
    clip = np.array([f"{who}_{number:03d}" for number, who in enumerate(subject)])
    return replace(plain, examples=examples._replace(flow=flow, emotion=labels), subject=subject, clip=clip)


DATA = noisy_people()


def prepared(train_au: bool = False, **more: Any) -> Prepared:
    settings = federation(train_au, 2, **({"clients": 2, "algorithms": ("fedavg",), "weight_decay": 0.0} | more))
    rows = rows_of(DATA.examples)
    data = RunData(settings, {}, [DATA], DATA, splits_of(settings, DATA), rows)
    table = table_of(settings, data.repeats, annotations_of(DATA), rows.shown)
    return Prepared(settings, (data,), table, DetectorSource((), lambda networks, meanwhile: {}))


def seen_in(run: Prepared, num_shadows: int = SHADOWS) -> tuple[list[Seen], Prepared]:
    shadows = shadows_of(run, num_shadows)
    (data,) = shadows.data
    found = []
    for group in shadows.table.groups:
        store = random_store(group, data.rows, np.float32)

        def program(size: int, group: Any = group, store: Any = store) -> Any:
            like = job_arrays_like(group, size, data.rows.shown, 0)
            return compile_program(group.recipe, toy_task(), store, like)

        job = Job(run.settings, group, toy_task(), store, data.rows.shown, program, "round", "shadows")
        found += watched(job, data, STAGES)
    return found, shadows


def attacked(run: Prepared, num_shadows: int = SHADOWS) -> pd.DataFrame:
    seen, shadows = seen_in(run, num_shadows)
    return membership_tables([(one, *suspects_of(one, run, shadows)) for one in seen], None)[0]


@pytest.mark.parametrize("number", [2, 5, 8])
def test_halves_are_of_whole_people_and_as_many(number: int) -> None:
    subject = np.repeat([f"s{n}" for n in range(number)], np.arange(number) + 1)
    first, second = half_of(subject, np.random.default_rng(0))
    people = set(subject[first]), set(subject[second])
    assert len(people[0]) == len(people[1]) == number // 2
    assert not people[0] & people[1]
    assert sum(first) == sum(np.isin(subject, list(people[0])))


@pytest.mark.slow
def test_shadows_are_repeats_with_half_of_each_clients_people_and_nobody_else_changes() -> None:
    run = prepared(repeats=2)
    (original,), halves = run.data[0].repeats[0], shadows_of(run, 6).data[0].repeats
    assert len(halves) == 6
    seen = np.zeros(len(DATA.subject))
    for (first,), (second,) in zip(halves[::2], halves[1::2], strict=True):
        for client, one, other in zip(original.clients, first.clients, second.clients, strict=True):
            people = [set(DATA.subject[part.train]) for part in (client, one, other)]
            assert people[1] | people[2] <= people[0]
            assert len(people[1]) == len(people[2]) == len(people[0]) // 2
            assert one.test.tolist() == client.test.tolist()
            seen[one.train] += 1
    assert len({tuple(one.train) for (one,) in halves}) == 6
    assert not seen[original.test].any()


@pytest.mark.slow
def test_the_shadows_of_a_row_are_one_program_with_halves_of_their_own() -> None:
    table = shadows_of(prepared(algorithms=("local", "fedavg", "p-fedprox")), 6).table
    (group,) = table.groups
    assert group.num_trained == 3 * 6
    assert {one.repeat for one in group.trainings} == set(range(6))


@pytest.mark.slow
def test_what_another_client_receives_is_the_mean_and_what_is_sent_its_own() -> None:
    """With linear networks logits mix as weights do."""
    seen, shadows = logits_in(prepared(rounds=1))
    weights = np.array([len(client.train) for client in shadows.table.trainings[0].split.clients], float)
    mean = np.tensordot(weights / weights.sum(), seen[SENT][0], axes=1)
    for received in seen[RECEIVED][0]:
        np.testing.assert_allclose(received, mean, atol=1e-5)
    np.testing.assert_array_equal(seen[PERSONAL], seen[SENT])


def logits_in(run: Prepared) -> tuple[dict[str, np.ndarray], Prepared]:
    """The logits themselves, with the identity in the place of log odds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("experiments.training.shadows.log_odds", lambda logits, labels: logits)
        seen, shadows = seen_in(run, 2)
    return {one.model: one.odds for one in seen}, shadows


@pytest.mark.slow
def test_clients_that_exchange_nothing_are_seen_by_nobody_else() -> None:
    seen, _ = seen_in(prepared(algorithms=("local",), rounds=1), 2)
    assert [one.model for one in seen] == [PERSONAL]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fedper", "ditto", "fedala", "fedadam", "q-fedavg"])
def test_algorithms_of_every_kind_have_what_observers_see(name: str) -> None:
    run = prepared(algorithms=(name,))
    (group,) = shadows_of(run, 2).table.groups
    store = random_store(group, run.data[0].rows, np.float32)
    task, batch = task_of(group, 7, store), shadows._everything(len(DATA.subject))
    given = jax.tree.map(lambda leaf: leaf[0], arrays(group, [0], 1, run.data[0].rows.shown, 0))
    state = jax.eval_shape(lambda *own: initial_state(group.recipe, task, *own), store, given)
    (count,) = batch.mask.shape
    views = jax.eval_shape(lambda *own: shadows._views_of_one(group.recipe, task, store, batch, *own), state, given)
    models = (2,) if name in TWO_MODELS else ()
    assert views[SENT].shape == views[RECEIVED].shape == (2, count, 7)
    assert views[PERSONAL].shape == (2, *models, count, 7)


@pytest.mark.parametrize("name", TITLES)
def test_weights_reach_others_unless_an_algorithm_exchanges_none(name: str) -> None:
    strategy = algorithm(name, models(name)[0])(jnp.ones(1 if name == "centralised" else 3), FedSettings())
    assert shares_weights(strategy) == (name not in ("local", "fedproto", "centralised"))


MEMORISING = {"learning_rate": 0.1, "rounds": 40, "local_epochs": 2, "batch": 64}


@pytest.mark.slow
def test_memorised_labels_are_found_and_strangers_are_at_chance() -> None:
    table = attacked(prepared(algorithms=("fedavg",), **MEMORISING), 16)
    found = table[~table["control"]].set_index(["model", "unit", "attack"])
    for model in (SENT, RECEIVED, PERSONAL):
        assert found.loc[(model, "subject", "LiRA"), "auc"] > 0.95
    controls = table[table["control"]]
    assert controls["auc"].between(0.45, 0.55).all()
    assert ((controls["auc_low"] < 0.5) & (controls["auc_high"] > 0.5)).all()
    assert (found["auc"] > controls["auc_high"].max()).all()
    of_subjects = found.xs("subject", level="unit")
    assert (of_subjects["epsilon_lower"] > 2).all()
    assert found.xs("clip", level="unit")["epsilon_lower"].isna().all()  # clips of a person are no trials of their own


@pytest.mark.slow
def test_noise_of_the_training_lowers_what_is_found() -> None:
    pytest.importorskip("dp_accounting", reason="the extra privacy is not installed")
    sizes = {"rounds": 20, "local_epochs": 1, "learning_rate": 0.1, "algorithms": ("fedavg",)}
    private = {"dp": "subject", "privacy": PrivacySettings(sampling=0.5), "sweep": ("epsilon=2,inf",)}
    table = attacked(prepared(**sizes, **private))
    found = table[(table["model"] == SENT) & (table["unit"] == "subject") & ~table["control"]]
    areas = found[found["attack"] == "LiRA"].set_index("algorithm")["auc"]
    assert areas["FedAvg, epsilon inf"] > areas["FedAvg, epsilon 2"] + 0.1
