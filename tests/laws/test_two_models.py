"""Two models of a client are trained once and tested twice: as if each row had been trained for itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from engine_on_random_data import DATA, federation, noise, random_store, table
from toy_task import toy_task

from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training.chunks import TrainingResult
from experiments.training.experiment import Results
from experiments.training.loop import Job, train
from experiments.training.plan import Group
from experiments.training.plan import group as group_of
from experiments.training.program import compile_program
from experiments.training.shapes import job_arrays_like
from fedpsyau_jax.splits import Split, split_clients, with_validation

LABELS = np.asarray(DATA.examples.emotion)
Trained = dict[tuple[str, int], tuple[Any, Any, dict[int, Any]]]


class Silent:
    def start(self, stage: object) -> None: ...
    def update(self, stage: object) -> None: ...
    def stop(self, stage: object, *, finished: bool) -> None: ...


def repeats_of(number: int, *, validated: bool) -> list[list[Split]]:
    repeats = []
    for repeat in range(number):
        split = Split("all", tuple(split_clients(DATA.subject, 2, 0.7, np.random.default_rng(repeat))))
        chosen = with_validation(split, DATA.subject, LABELS, 0.3, np.random.default_rng(0)) if validated else split
        repeats.append([chosen])
    return repeats


def trained(settings: Any, group: Group, folder: Path) -> Trained:
    """By row and repeat: history, logits, and kept networks by client; read back from the folder of the run."""
    rows, kept = noise(), {}
    store, task = random_store(group, rows, np.float32), toy_task()

    def program(size: int) -> Any:
        like = job_arrays_like(group, size, rows.shown, settings.seed)
        return compile_program(group.recipe, task, store, like, settings.devices)

    def keep(place: int, client: int, network: Any) -> None:
        one = group.trainings[place]
        kept[one.row, one.repeat, client] = network

    folder.mkdir()
    (folder / "config.json").write_text('{"settings": 0}')
    wanted = frozenset((place, client) for place in range(len(group.trainings)) for client in range(group.num_clients))
    how: tuple[Any, ...] = ("round", "training", RunFolder(folder), keep, wanted)
    job = Job(settings, group, task, store, rows.shown, program, *how)
    stages = Stages(Silent(), clock=lambda: 0.0)  # type: ignore[arg-type]
    first, again = train(job, stages), train(replace(job, program=_none), stages)
    for one, other in zip(first.trained, again.trained, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one[1:], other[1:])
    return {
        (one.training.row, one.training.repeat): (
            one.history,
            one.logits,
            {client: kept[one.training.row, one.training.repeat, client] for client in range(group.num_clients)},
        )
        for one in first.trained
    }


def _none(size: int) -> Any:
    raise AssertionError("everything is finished: nothing is compiled or trained again")


def alone(group: Group, row: str) -> Group:
    """The trainings of one row of a group."""
    return group_of(group.name, group.recipe, group.au, [one for one in group.trainings if one.row == row])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more"),
    [
        *((name, {}) for name in ("ditto", "apfl", "pfedme", "per-fedavg")),
        ("ditto", {"select": True, "validation_share": 0.3, "at_once": 1}),
    ],
    ids=["ditto", "apfl", "pfedme", "per-fedavg", "selected one by one"],
)
def test_one_training_of_two_rows_is_as_a_training_of_each(tmp_path: Path, name: str, more: dict[str, Any]) -> None:
    settings = replace(federation(True, epochs=3, algorithms=(name,), **more), clients=2)
    (group,) = table(settings, repeats_of(2, validated="select" in more), noise()).groups
    rows = list(dict.fromkeys(one.row for one in group.trainings))
    assert (group.num_models, group.num_trained, len(rows)) == (2, 2, 2)
    both = trained(settings, group, tmp_path / "both")
    apart: Trained = {}
    for number, row in enumerate(rows):
        apart |= trained(replace(settings, at_once=None), alone(group, row), tmp_path / str(number))
    assert both.keys() == apart.keys()
    for key, (history, logits, networks) in apart.items():
        jax.tree.map(np.testing.assert_array_equal, (logits, networks), both[key][1:])
        for metric, values in history.items():
            np.testing.assert_allclose(values, both[key][0][metric], 1e-6, err_msg=metric)
    (personal, global_) = (both[row, 0][1] for row in rows)
    # After one round, which may be the selected one, the two hardly differ.
    assert more or not np.allclose(personal[0]["emotion"], global_[0]["emotion"])


def test_a_training_has_a_row_for_each_model_and_counts_once() -> None:
    settings = replace(federation(True, 3, algorithms=("fedavg", "ditto"), sweep=("ditto-pull=0.1,1",)), clients=2)
    whole = table(settings, repeats_of(2, validated=False), noise())
    plain, two = whole.groups
    assert (plain.num_models, plain.num_trained, len(plain.trainings)) == (1, 2, 2)
    assert (two.num_models, two.num_trained, len(two.trainings)) == (2, 4, 8)
    assert whole.num_trained == 6
    for place in range(two.num_trained):
        personal, global_ = two.rows_of(place)
        assert personal.row == global_.row.replace("(global)", "(personal)") != global_.row
        assert (personal.repeat, personal.split) == (global_.repeat, global_.split)
        assert float(personal.strategy.client.args[0]) == float(global_.strategy.client.args[0])  # type: ignore[union-attr]
    like = job_arrays_like(two, 4, noise().shown, 0)
    assert like.strategy.tested.shape == (4, 2)


def test_unfinished_trainings_are_counted_once() -> None:
    settings = replace(federation(True, 3, algorithms=("ditto",)), clients=2)
    whole = table(settings, repeats_of(2, validated=False), noise())
    (group,) = whole.groups
    done = [TrainingResult(one, {}, []) for one in group.rows_of(1)]
    assert Results(trained=done).num_trained(whole) == 1
    assert Results().num_trained(whole) == 0
