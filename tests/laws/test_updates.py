"""Inversion of updates of a tiny linear network in the engine, whose gradient holds its input."""

import io
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from engine_on_random_data import random_store
from rich.console import Console
from test_shadows import DATA, STAGES, prepared
from toy_task import toy_task

from experiments.inputs.privacy import PrivacySettings
from experiments.pages import inversion as page
from experiments.results.inversion import FILE, Attempt, decoys, inversion_table, likeness, matched, pictures_table
from experiments.run.folder import RunFolder
from experiments.training.shapes import task_of
from experiments.training.updates import EXAMPLE, ROUND, Update, _invert, attempts, update_of

pytestmark = pytest.mark.slow


def update(**more: Any) -> Update:
    run = prepared(rounds=1, batch=4, **more)
    (group,) = run.table.groups
    store = random_store(group, run.data[0].rows, np.float32)
    examples = store.examples._replace(flow=(store.examples.flow + 4) / 8)
    return update_of(group, toy_task(), store._replace(examples=examples), run.data[0], 0)


def blocks(flow: np.ndarray) -> np.ndarray:
    """What the network sees of pictures."""
    return flow.reshape(len(flow), 4, 7, 4, 7, 3).mean(axis=(2, 4)).reshape(len(flow), -1)


def likeness_to(attempt: Attempt, own: Update) -> float:
    """Correlation of what the network sees of the found pictures and of the originals."""
    originals = np.asarray(own.at.context.store.examples.flow)[attempt.among][: len(attempt.flow)]
    return float(np.corrcoef(blocks(attempt.flow).ravel(), blocks(originals).ravel())[0, 1])


@pytest.fixture(scope="module")
def plain() -> tuple[Update, dict[tuple[str, bool], Attempt]]:
    own = update()
    return own, {(one.update, one.aggregated): one for one in attempts(own, 200, 1, STAGES)}


def test_one_example_comes_back_from_its_gradient(plain: Any) -> None:
    own, found = plain
    assert likeness_to(found[EXAMPLE, False], own) > 0.9
    assert found[EXAMPLE, False].distance < 0.01


def test_a_sum_over_clients_says_less_and_a_round_is_of_all_examples(plain: Any) -> None:
    own, found = plain
    assert len(found[EXAMPLE, True].flow) == len(own.clients)
    assert set(found[ROUND, False].among) == set(own.clients[0])
    assert set(found[ROUND, True].among) == {*own.clients[0], *own.clients[1]}
    assert likeness_to(found[ROUND, True], own) < likeness_to(found[EXAMPLE, False], own) - 0.3


def test_noise_hides_the_example() -> None:
    pytest.importorskip("dp_accounting", reason="the extra privacy is not installed")
    own = update(dp="subject", privacy=PrivacySettings(epsilon=2.0, sampling=0.5))
    found = {
        one.noise: one for one in attempts(own, 200, 1, STAGES) if (one.update, one.aggregated) == (EXAMPLE, False)
    }
    assert likeness_to(found[False], own) > 0.9
    assert likeness_to(found[True], own) < 0.5


def test_pictures_are_taken_for_the_examples_that_they_are_most_like() -> None:
    flow, among = np.asarray(DATA.examples.flow), np.array([5, 2, 9])
    attempt = Attempt(EXAMPLE, False, False, among, flow[[9, 5]] + 0.1, None, 0.0)
    assert matched(attempt, DATA).tolist() == [9, 5]
    table = pictures_table([attempt], DATA, np.arange(40, 60))
    assert table["clip"].tolist() == DATA.clip[[9, 5]].tolist()
    np.testing.assert_allclose(table["psnr"], 20, atol=1e-3)
    assert inversion_table(table)["pictures"].tolist() == [2]


def one_each(people: int) -> np.ndarray:
    return np.array([int(np.flatnonzero(DATA.subject == name)[0]) for name in np.unique(DATA.subject)[:people]])


def gains_of(examples: np.ndarray, found: np.ndarray) -> dict[Any, Any]:
    """What an attack gains that finds such pictures in the updates of these examples, one by one."""
    many = [
        Attempt(EXAMPLE, False, False, np.array([example]), picture[None], None, 0.0)
        for example, picture in zip(examples, found, strict=True)
    ]
    (row,) = inversion_table(pictures_table(many, DATA, np.arange(40, 60))).to_dict("records")
    return row


def test_what_is_read_must_be_better_than_with_decoys_in_place_of_the_originals() -> None:
    """Pictures of strangers gain nothing, as far as chance goes; the originals do."""
    examples, flow = one_each(10), np.asarray(DATA.examples.flow)
    strangers = gains_of(examples, flow[60:70])
    for name in ("like", "told", "au_f1"):
        assert strangers[f"{name}_gain_low"] <= 0 <= strangers[f"{name}_gain_high"]
    exact = gains_of(examples, flow[examples])
    assert exact["like"] == pytest.approx(1)
    assert exact["like_gain_low"] > 0.5
    assert exact["au_f1"] == exact["au_f1_original"]


def test_decoys_are_other_people_with_the_same_emotions() -> None:
    among, emotion = one_each(5), np.asarray(DATA.examples.emotion)
    drawn = decoys(among, DATA, np.random.default_rng(0))
    assert not set(DATA.subject[drawn]) & set(DATA.subject[among])
    assert emotion[drawn].tolist() == emotion[among].tolist()


def test_intervals_are_of_people_and_not_of_pictures() -> None:
    one, other = (np.flatnonzero(DATA.subject == name)[:4] for name in np.unique(DATA.subject)[:2])
    flow, among = np.asarray(DATA.examples.flow), np.concatenate([one, other[:1]])
    worse = flow[among] + np.array([0.1] * len(one) + [0.3])[:, None, None, None]
    table = pictures_table([Attempt(EXAMPLE, False, False, among, worse, None, 0.0)], DATA, np.arange(40, 60))
    (row,) = inversion_table(table).to_dict("records")
    gain = (table["psnr"] - table["psnr_guess"]).groupby(table["subject"]).mean()
    np.testing.assert_allclose([row["psnr_gain_low"], row["psnr_gain_high"]], [gain.min(), gain.max()])
    alone = inversion_table(table[table["subject"] == DATA.subject[one[0]]])
    assert alone["psnr_gain_low"].isna().all()
    alike = inversion_table(table.assign(told=0.0, told_others=0.05))
    assert alike["told_gain"].item() == pytest.approx(-0.05)
    assert alike["told_gain_low"].isna().all()  # no draw of people shows how far off it may be


def test_a_person_is_told_by_other_clips_and_never_by_the_clip_itself() -> None:
    draw, people = np.random.default_rng(0), np.unique(DATA.subject, return_inverse=True)[1]
    faces = draw.random((people.max() + 1, 28, 28, 3))[people]
    examples = DATA.examples._replace(flow=(faces + 0.05 * draw.random(faces.shape)).astype(np.float32))
    dataset = replace(DATA, examples=examples)
    attempt = Attempt(EXAMPLE, False, False, np.array([4]), np.asarray(examples.flow)[[4]], None, 0.0)
    (row,) = pictures_table([attempt], dataset, np.arange(40, 60)).to_dict("records")
    assert row["told"] == row["told_original"] == 1
    assert likeness(faces[0], faces[:1], faces.mean(axis=0))[0] == pytest.approx(1)


@pytest.mark.parametrize("train_au", [False, True])
def test_pictures_are_looked_for_in_the_updates_of_whole_networks(train_au: bool) -> None:
    """Shapes only: the flow with the features of frozen detectors, or with the windows round landmarks."""
    run = prepared(train_au=train_au)
    (group,) = run.table.groups
    store = random_store(group, run.data[0].rows, np.float32)
    task = task_of(group, 7, store)

    def found(store: Any) -> Any:
        own = update_of(group, task, store, run.data[0], 0)
        at, known = own.at, own.known(np.arange(3))
        return _invert(task, 2, at, known, at.client.params, jax.random.key(0))

    shapes = jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(found, store).examples)
    assert shapes["flow"] == (3, 28, 28, 3)
    assert shapes.keys() == ({"flow", "patches"} if train_au else {"flow", "features"})
    if train_au:
        assert shapes["patches"] == (3, 65, 5, 5, 3)


def test_the_page_has_originals_beside_what_was_found(tmp_path: Path) -> None:
    folder, flow = RunFolder(tmp_path), np.asarray(DATA.examples.flow)
    patches = np.asarray(DATA.examples.patches)[[5, 9]]
    attempt = partial(Attempt, EXAMPLE, among=np.array([5, 9]), flow=flow[[5, 9]], distance=0.0)
    found = [
        attempt(aggregated=False, noise=False, patches=None),
        attempt(aggregated=True, noise=True, patches=patches),
    ]
    table = pictures_table(found, DATA, np.arange(40, 60))
    folder.write_table(FILE, inversion_table(table))
    folder.write_json("config.json", {"command": "python -m experiments.attack <b> --inversion"})
    folder.write_json("environment.json", {"python": "3", "platform": "x", "git_commit": None, "packages": {}})
    run = {"command": "python -m experiments.fed", "dp": "", "train_au": False}
    folder.write_json("data.json", {"name": "noise", "synthetic": True, "run": run, "row": "FedAvg", "steps": 2})
    written, output = page.write(folder, found, DATA), io.StringIO()
    page.show(folder, written, Console(file=output, width=80))
    text = written.read_text()
    assert "Synthetic data." in text
    assert "&lt;b&gt;" in text
    assert text.count("<img") == 2
    assert "one example, secure aggregation, noise" in " ".join(output.getvalue().split())
    assert "…" not in output.getvalue()
