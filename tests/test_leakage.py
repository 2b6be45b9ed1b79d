from dataclasses import replace

import numpy as np
import pytest

from fedpsyau_jax.splits import (
    Origins,
    Split,
    by_example,
    find_leaks,
    k_fold,
    refuse_leaks,
    single_client,
    split_clients,
    with_validation,
)

SUBJECTS = np.repeat([f"s{number}" for number in range(8)], 4)
CLIPS = np.array([f"{subject}_{place % 4}" for place, subject in enumerate(SUBJECTS)])
LABELS = np.arange(32) % 3


@pytest.fixture
def origins():
    return Origins(SUBJECTS, CLIPS, np.random.default_rng(0).random((32, 28, 28, 3), np.float32))


@pytest.fixture
def folds():
    splits = k_fold(SUBJECTS, LABELS, 4, np.random.default_rng(0))
    return [with_validation(split, SUBJECTS, LABELS, 0.25, np.random.default_rng(0)) for split in splits]


def the_leak(folds, origins):
    """The only leak there is."""
    leaks = find_leaks(folds, origins)
    assert len(leaks) == 1, leaks
    with pytest.raises(ValueError, match="nothing is trained") as raised:
        refuse_leaks(folds, origins)
    assert leaks[0][1] in str(raised.value)
    return leaks[0]


def test_proper_folds_pass(folds, origins):
    training_rows = [fold.train for fold in folds]
    clean = replace(origins, statistics={"the prior": training_rows}, pretraining_subjects=["p0", "p1"])
    assert find_leaks(folds, clean) == []
    refuse_leaks(folds, clean)


@pytest.mark.parametrize(("one", "other"), [("train", "test"), ("train", "validation"), ("validation", "test")])
def test_a_subject_on_two_sides(folds, origins, one, other):
    stray = getattr(folds[2], other)[0]
    subjects = SUBJECTS.copy()
    subjects[stray] = SUBJECTS[getattr(folds[2], one)[0]]
    _, leak = the_leak(folds[2:3], replace(origins, subjects=subjects))
    assert leak == f"subject {subjects[stray]} in both the {one} and the {other} data"


def test_a_subject_on_two_sides_on_purpose_is_no_leak(origins):
    split = single_client("0", np.arange(0, 32, 2), np.arange(1, 32, 2))
    assert "subjects s0, s1, s2 and 5 more in both the train and the test data" in the_leak([split], origins)[1]
    assert find_leaks([split], replace(origins, split_by_subject=False)) == []


def test_an_example_on_two_sides(folds, origins):
    own = folds[1]
    doubled = single_client(own.name, own.train, np.sort(np.append(own.test, own.train[3])), own.validation)
    leaks = [leak for _, leak in find_leaks([doubled], origins)]
    assert leaks[0] == f"example {folds[1].train[3]} in both the train and the test data"
    with pytest.raises(ValueError, match=r"a leak in fold 1: example .* \(and 2 more\)"):  # its subject and its clip
        refuse_leaks([doubled], origins)


def test_a_clip_on_two_sides(folds, origins):
    clips = CLIPS.copy()
    clips[folds[0].test[0]] = clips[folds[0].validation[0]]
    _, leak = the_leak(folds[:1], replace(origins, clips=clips))
    assert leak == f"clip {CLIPS[folds[0].validation[0]]} in both the validation and the test data"


def test_a_copy_of_a_picture_on_two_sides(folds, origins):
    flow = origins.flow.copy()
    flow[folds[3].test[1]] = flow[folds[3].train[5]]
    _, leak = the_leak(folds[3:], replace(origins, flow=flow))
    names = sorted([CLIPS[folds[3].test[1]], CLIPS[folds[3].train[5]]])
    assert leak == f"clips {', '.join(names)} with identical flow in both the train and the test data"


def test_a_picture_that_differs_in_one_bit_is_no_copy(folds, origins):
    flow = origins.flow.copy()
    flow[folds[3].test[1]] = flow[folds[3].train[5]]
    pixel = (folds[3].test[1], 3, 4, 0)
    flow[pixel] = np.nextafter(flow[pixel], np.float32(2))
    assert find_leaks(folds[3:], replace(origins, flow=flow)) == []


def test_copies_within_a_part_and_clips_without_motion_are_no_leaks(folds, origins):
    flow = origins.flow.copy()
    flow[folds[0].train[1]] = flow[folds[0].train[0]]
    still = [folds[0].train[2], folds[0].validation[0], folds[0].test[0]]
    flow[still] = [0.5, 0.5, 0.0]
    assert find_leaks(folds[:1], replace(origins, flow=flow)) == []


@pytest.mark.parametrize("side", ["validation", "test"])
def test_statistics_that_saw_what_is_held_out(folds, origins, side):
    rows = [fold.train for fold in folds]
    rows[2] = np.append(rows[2], getattr(folds[2], side)[:3])
    number, leak = the_leak(folds, replace(origins, statistics={"the co-occurrence prior": rows}))
    assert (number, leak) == (2, f"the co-occurrence prior was computed with 3 {side} examples")


def test_pretraining_subjects_in_the_test_set(folds, origins):
    tested = SUBJECTS[folds[1].test[0]]
    _, leak = the_leak(folds[1:2], replace(origins, pretraining_subjects=["p0", tested]))
    assert leak == f"subject {tested} in the pretraining and the test data"


def test_clients_of_a_federation_are_checked_together(origins):
    clients = split_clients(SUBJECTS, 3, 0.5, np.random.default_rng(0))
    refuse_leaks([Split("0", tuple(clients))], origins, "repeat")
    traded = [clients[0]._replace(test=clients[1].train), *clients[1:]]
    with pytest.raises(ValueError, match="a leak in repeat 0: examples"):
        refuse_leaks([Split("0", tuple(traded))], origins, "repeat")
    by_examples = split_clients(SUBJECTS, 3, 0.5, np.random.default_rng(0), by_example)
    with pytest.raises(ValueError, match="a leak in repeat 0: subject"):
        refuse_leaks([Split("0", tuple(by_examples))], origins, "repeat")
    refuse_leaks([Split("0", tuple(by_examples))], replace(origins, split_by_subject=False), "repeat")
