"""Several databases as one, split by subject."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from fed_on_random_data import random_dataset

from experiments.inputs.corpus import join, split
from fedpsyau_jax.splits import generator

DRAW = jax.random.fold_in(jax.random.key(0), 0)


def test_the_same_name_in_two_databases_means_two_people() -> None:
    one, other = (random_dataset(name, "pretraining") for name in ("disfa", "ckplus"))
    both = join([one, other])
    assert len(np.unique(both.subject)) == 2 * len(np.unique(one.subject))
    assert len(np.unique(both.clip)) == 2 * len(one.clip)
    assert both.subject[0] == f"disfa/{one.subject[0]}"


def test_each_database_has_whole_subjects_on_both_sides() -> None:
    one, other = (random_dataset(name, "pretraining") for name in ("disfa", "ckplus"))
    both = join([one, other])
    parts = split(both, 0.25, generator(DRAW), "0")
    assert parts.name == "0"
    assert len(parts.validation) == 0
    assert sorted([*parts.train, *parts.test]) == list(range(len(both.clip)))
    assert not set(both.subject[parts.train]) & set(both.subject[parts.test])
    for side in (parts.train, parts.test):
        assert set(both.database[side]) == {"disfa", "ckplus"}
    (client,) = parts.clients
    assert set(client.subjects) == set(both.subject[parts.test])


def test_the_split_of_a_database_does_not_depend_on_those_after_it() -> None:
    one, other = (random_dataset(name, "pretraining") for name in ("disfa", "ckplus"))
    together, alone = split(join([one, other]), 0.25, generator(DRAW)), split(join([one]), 0.25, generator(DRAW))
    np.testing.assert_array_equal(alone.train, together.train[together.train < len(one.clip)])


def test_examples_without_any_label_are_left_out() -> None:
    dataset = random_dataset("disfa", "pretraining")
    mask = dataset.examples.au_mask.copy()
    mask[:5] = 0
    corpus = join([replace(dataset, examples=dataset.examples._replace(au_mask=mask))])
    assert corpus.clip.tolist() == [f"disfa/{name}" for name in dataset.clip[5:]]
    blank = replace(dataset, examples=dataset.examples._replace(au_mask=mask * 0))
    with pytest.raises(ValueError, match=r"no action unit is labelled in these databases"):
        join([blank])


def test_a_database_with_a_single_subject_is_refused() -> None:
    dataset = random_dataset("synthetic", "pretraining")
    alone = join([replace(dataset, subject=np.full(len(dataset.subject), "S1"))])
    with pytest.raises(ValueError, match=r"synthetic has labelled action units of the single subject S1"):
        split(alone, 0.2, generator(DRAW))
