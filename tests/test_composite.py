"""The composite of MEGC 2019 as a protocol of ``mer``: one fold for each of 68 subjects, 442 clips, known baselines."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from test_data_protocols import dataset, made_up

from data.dataset import Dataset
from data.protocols import COMPOSITE2019
from experiments.inputs import databases
from experiments.inputs.checks import check_mer
from experiments.inputs.completion import complete_cross_validation
from experiments.inputs.joining import database_of_site, joined
from experiments.inputs.settings import MerSettings
from experiments.inputs.splits import splits_of
from experiments.recognition import protocol_warnings
from experiments.results import baselines, schema
from experiments.results.parts import part_table
from experiments.run.progress import progress
from fedpsyau_jax.splits import Split

EMOTION = {"negative": "disgust", "positive": "happiness", "surprise": "surprise"}


def copy_of(name: str) -> Dataset:
    """A database with the clips of the composite, and one that is in none of its classes."""
    rows = [
        (
            clip.subject,
            f"{clip.subject}_{clip.clip}" if name == "casme2" else clip.clip,
            "" if name == "smic" else EMOTION[label],
        )
        for clip, label in made_up()
        if clip.database == name
    ]
    more = [] if name == "smic" else [(rows[0][0], f"{rows[0][1]}9", "others")]
    return dataset(name, [*rows, *more])


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[Dataset]:
    monkeypatch.setattr(databases, "load", lambda name, *_, **__: copy_of(name))
    settings = complete_cross_validation(MerSettings(protocol="composite2019"))
    check_mer(settings)
    with progress(Console(quiet=True)) as stages:
        (datasets,) = databases.load_databases(settings, None, (), stages)
    return datasets


def table_of(data: Dataset, folds: list[Split]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    labels = np.asarray(data.examples.emotion)
    emotions, aus, splits = [], [], []
    for fold in folds:
        keys = {"algorithm": "any", "repeat": 0, "fold": fold.name, "client": "all"}
        keys |= {"database": database_of_site(data.site[fold.test])}
        who = (data.clip[fold.test], data.subject[fold.test])
        guess = np.eye(3)[np.zeros(len(fold.test), int)]
        emotions.append(schema.emotion_rows(keys, *who, labels[fold.test], guess, data.class_names))
        ones = np.ones((len(fold.test), 1))
        aus.append(schema.au_rows(keys, *who, ones, ones, ones, ["AU1"]))
        counted = (labels[fold.train], labels[:0], labels[fold.test], data.class_names)
        splits.append(schema.split_row({"repeat": 0, "fold": fold.name, "client": "all"}, [], *counted))
    return pd.concat(emotions), pd.concat(aus), pd.DataFrame(splits)


def test_one_fold_for_each_subject_and_the_published_majority_baseline(parts: list[Dataset]):
    data = joined(parts)
    assert (len(data.clip), len(set(data.subject)), data.class_names[0]) == (442, 68, "negative")
    ((*folds,),) = splits_of(MerSettings(protocol="composite2019"), data)
    assert len(folds) == 68
    emotions, aus, splits = table_of(data, folds)
    majority = baselines.majority(emotions, splits, part="fold").set_index("view")
    assert round(majority.loc["pooled", "uf1"], 4) == 0.2408
    assert majority.loc["pooled", "uar"] == pytest.approx(1 / 3)
    of_databases = part_table(emotions, aus, splits, ["database"], num_draws=100).set_index(["kind", "name"])
    assert of_databases.loc["trained", "num_test"].to_dict() == {"smic": 164, "casme2": 145, "samm": 133}
    accuracy = of_databases.loc["baseline", "accuracy"]
    assert accuracy[list(COMPOSITE2019)].tolist() == pytest.approx([70 / 164, 88 / 145, 92 / 133])


def test_what_is_left_out_has_a_reason(parts: list[Dataset]):
    reasons = {part.name.partition("/")[0]: [drop["reason"] for drop in part.metadata["dropped"]] for part in parts}
    assert list(reasons) == list(COMPOSITE2019)
    assert [len(told) for told in reasons.values()] == [0, 1, 1]
    assert "others is no class of composite2019 in samm" in reasons["samm"]


def test_missing_clips_are_told_as_others_are_published(parts: list[Dataset]):
    class Run:
        settings = MerSettings(protocol="composite2019")
        datasets = parts

    assert protocol_warnings(Run) == []  # type: ignore[arg-type]
    Run.datasets = parts[:2]
    (told,) = protocol_warnings(Run)  # type: ignore[arg-type]
    assert told == "not the 442 clips of composite2019; missing: all of samm. Published scores are of other clips."
    Run.settings = replace(Run.settings, protocol="loso")
    assert protocol_warnings(Run) == []  # type: ignore[arg-type]
