"""``--sweep classes=3,7`` and ``clients=2,3``: each row has the data of its own value, and is scored on them alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import explained_runs
import jax
import numpy as np
import pandas as pd
import pytest
from explained_runs import finished_run, on_random_data
from fed_on_random_data import random_dataset

from data.dataset import Dataset, fingerprint
from data.labels import EMOTIONS, SEVEN, THREE
from experiments import compare
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.predictions.read import read_predictions
from experiments.inputs.settings import FedSettings, MerSettings, RecognitionSettings
from experiments.pages import report
from experiments.results.read import read
from experiments.run.folder import RunFolder
from experiments.run.mistakes import exit_status
from experiments.run.progress import progress
from experiments.training.plan import arrays
from experiments.training.prepare import Prepared, prepare
from experiments.training.shapes import store_like

SMALL = NetworkSettings(variant="no-transformer-no-gat")
FED = FedSettings(clients=2, repeats=2, rounds=2, algorithms=("local", "fedavg", "fedprox"), network=SMALL)
MER = MerSettings(folds=2, repeats=2, epochs=2, au="scratch", network=NetworkSettings(prior=("co-occurrence",)))
SWEPT = replace(FED, sweep=("mu=0.1,1", "classes=3,7"))


def all_emotions(name: str, part: str | None, *_: object, **__: object) -> Dataset:
    """Noise with emotions that are in 3 classes only, in 7 only, or in none."""
    plain = random_dataset(name, part)
    emotion = np.arange(len(plain.clip)) % len(EMOTIONS)
    changed = replace(plain, class_names=EMOTIONS, examples=plain.examples._replace(emotion=emotion))
    return replace(changed, fingerprint=fingerprint(changed))


@pytest.fixture(scope="module", autouse=True)
def _noise() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(explained_runs, "random_dataset", all_emotions)
        yield


def prepared(settings: RecognitionSettings) -> Prepared:
    with on_random_data(), progress() as stages:
        return prepare(settings, None, Path("nowhere"), (), stages)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [FED, *(pytest.param(one, marks=pytest.mark.slow) for one in (MER, replace(FED, augment=True)))],
    ids=["fed", "mer", "augmented"],
)
def test_the_programs_of_a_sweep_are_those_of_a_run_for_each_number_of_classes(settings: RecognitionSettings):
    """The same recipe, keys, splits, priors and examples: so training gives the same networks, bit for bit."""
    whole = prepared(replace(settings, sweep=("classes=3,7",)))
    assert len(whole.table.groups) == 2
    for group, number in zip(whole.table.groups, (3, 7), strict=True):
        alone = prepared(replace(settings, classes=number))
        (own,) = alone.table.groups
        data, own_data = whole.data_of(group), alone.data_of(own)
        assert (data.class_names, group.recipe, group.au) == (own_data.class_names, own.recipe, own.au)
        assert [f"{one.row}, classes {number}" for one in own.trainings] == [one.row for one in group.trainings]
        num_trainings = len(own.trainings)
        swept, expected = (
            (arrays(each, range(num_trainings), num_trainings, rows.shown, 0), store_like(each, rows))
            for each, rows in ((group, data.rows), (own, own_data.rows))
        )
        assert jax.tree.structure(swept) == jax.tree.structure(expected)
        jax.tree.map(assert_same, swept, expected)


def assert_same(one: object, other: object) -> None:
    if isinstance(one, jax.ShapeDtypeStruct):
        assert one == other
    else:
        keys = jax.numpy.issubdtype(getattr(one, "dtype", None), jax.dtypes.prng_key)
        np.testing.assert_array_equal(*(jax.random.key_data(key) if keys else key for key in (one, other)))


@pytest.mark.slow
def test_databases_are_read_once_and_clips_keep_their_names():
    whole = prepared(replace(FED, sweep=("classes=3,7,4", "clients=2,3")))
    assert [one.title for one in whole.data][:2] == ["classes 3, clients 2", "classes 3, clients 3"]
    assert [len(one.class_names) for one in whole.datasets] == [3, 7, 4]
    three, seven, four = (set(one.clip) for one in whole.datasets)
    assert three < four  # the others
    assert three - seven  # repression, negative and positive
    assert whole.class_names == [*SEVEN[:-1], *THREE[:2], "surprise", "others"]
    assert len(whole.table.groups) == 6


def test_every_number_of_clients_has_its_own_splits():
    whole = prepared(replace(FED, sweep=("clients=2,3",)))
    assert [group.num_clients for group in whole.table.groups] == [2, 3]
    alone = prepared(replace(FED, clients=3))
    for one, other in zip(whole.data[1].repeats, alone.data[0].repeats, strict=True):
        for client, own in zip(one[0].clients, other[0].clients, strict=True):
            np.testing.assert_array_equal(client.test, own.test)


class Runs(NamedTuple):
    swept: RunFolder
    alone: dict[int, RunFolder]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A sweep over classes, and for each number a run that predicts the same."""
    folder = tmp_path_factory.mktemp("runs")
    finished_run(folder / "swept", "fed", SWEPT)
    swept = RunFolder(folder / "swept")
    alone = {}
    for number in (3, 7):
        settings = replace(SWEPT, sweep=("mu=0.1,1",), classes=number)
        finished_run(folder / str(number), "fed", settings)
        alone[number] = RunFolder(folder / str(number))
        ending = f", classes {number}"
        for name in ("predictions.csv", "au_predictions.csv"):
            table = swept.read_table(name)
            own = table[table["algorithm"].str.endswith(ending)]
            own = own.assign(algorithm=own["algorithm"].str.removesuffix(ending)).dropna(axis=1, how="all")
            alone[number].write_table(name, own)
        emotions, aus = (alone[number].read_table(f"{name}predictions.csv") for name in ("", "au_"))
        explained_runs.conclude(alone[number], emotions, aus)
    return Runs(swept, alone)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["summary", "intervals", "class_scores", "au_scores", "part_scores", "sweep"])
def test_each_row_and_its_baselines_are_scored_as_in_a_run_of_its_classes(runs: Runs, name: str):
    table = runs.swept.read_table(f"{name}.csv")
    for number, folder in runs.alone.items():
        ending = f", classes {number}"
        own = table[table["algorithm"].str.endswith(ending)]
        own = own.assign(algorithm=own["algorithm"].str.removesuffix(ending)).drop(columns="classes", errors="ignore")
        expected = folder.read_table(f"{name}.csv")
        pd.testing.assert_frame_equal(own.reset_index(drop=True), expected, check_dtype=False, rtol=0, atol=1e-12)
    assert table["algorithm"].str.contains(", classes [37]$").all()


@pytest.mark.slow
def test_rows_of_other_classes_are_not_compared(runs: Runs):
    pairs = runs.swept.read_table("differences.csv")[["algorithm", "other_algorithm"]]
    numbers = pairs.map(lambda title: title[-1])
    assert (numbers["algorithm"] == numbers["other_algorithm"]).all()
    assert set(numbers["algorithm"]) == {"3", "7"}
    for number, folder in runs.alone.items():
        own = pairs[numbers["algorithm"] == str(number)].map(lambda title: title.rpartition(", classes")[0])
        expected = folder.read_table("differences.csv")[["algorithm", "other_algorithm"]]
        assert own.to_numpy().tolist() == expected.to_numpy().tolist()


@pytest.mark.slow
def test_tables_say_which_classes_a_row_has(runs: Runs):
    predictions = runs.swept.read_table("predictions.csv")
    three = predictions[predictions["algorithm"].str.endswith("classes 3")]
    assert three[[f"p_{name}" for name in THREE]].notna().all().all()
    assert three[[f"p_{name}" for name in SEVEN[:-1]]].isna().all().all()
    assert set(runs.swept.read_table("splits.csv")["classes"]) == {3, 7}
    assert runs.swept.read_table("rows.csv")["classes"].tolist() == [3] * 4 + [7] * 4
    counts = [len(one["class_counts"]) for one in runs.swept.read_json("data.json")["databases"]]
    assert counts == [3, 7]


@pytest.mark.slow
def test_the_report_draws_the_sweep_and_compares_no_numbers_of_classes(runs: Runs):
    html = report.write(runs.swept).read_text()
    assert "Rows of different numbers of classes were tested on different data" in html
    assert "majority class, classes 7" in html
    assert "AU-set oracle: for each set of annotated action units" in html
    assert "nan" not in html.replace("nano", "").lower().split("<h2>data")[1].split("<h2>")[0]
    assert (runs.swept.path / "figures" / "sweep.png").exists()
    assert (runs.swept.path / "figures" / "confusion.png").exists()


@pytest.mark.slow
def test_a_run_with_itself_is_identical_and_with_a_run_of_other_classes_refused(runs: Runs, tmp_path, capsys):
    copy = tmp_path / "copy"
    explained_runs.copied(runs.swept.path, copy, lambda _: None)
    options = [str(runs.swept.path), str(copy), f"--output={tmp_path / 'compared'}"]
    assert exit_status(lambda: compare.main(options)) == 0
    assert "are identical" in " ".join(capsys.readouterr().out.split())
    assert exit_status(lambda: compare.main([str(runs.swept.path), str(runs.alone[3].path)])) == 2
    assert "the list of classes is" in capsys.readouterr().err


@pytest.mark.slow
def test_a_label_of_other_classes_is_damage(runs: Runs, tmp_path):
    def spoil(path: Path) -> None:
        folder = RunFolder(path)
        table = folder.read_table("predictions.csv")
        folder.write_table("predictions.csv", table.assign(label=table["label"].mask(table.index == 1, "fear")))

    spoilt = explained_runs.copied(runs.swept.path, tmp_path / "spoilt", spoil)
    with pytest.raises(ValueError, match=r"predictions.csv, line 3: 'fear' in column label is none of"):
        read(RunFolder(spoilt))


@pytest.mark.slow
def test_a_file_of_other_classes_is_not_scored_together(runs: Runs):
    with pytest.raises(ValueError, match=r"its rows have different numbers of classes") as refusal:
        read_predictions(runs.swept.path, {}, {})
    assert "\n" not in str(refusal.value)
