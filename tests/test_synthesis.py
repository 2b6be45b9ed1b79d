from dataclasses import replace
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.synthesis import emotions
from fedpsyau_jax.synthesis.anatomy import draw_proportions, mean_shape, mirror_order, shape_of
from fedpsyau_jax.synthesis.filming import Take, film
from fedpsyau_jax.synthesis.muscles import MOTION, Action, control_points, displacement
from fedpsyau_jax.synthesis.population import (
    FEDERATED,
    PRETRAINING,
    Clip,
    clips,
    filming_generator,
    portrait,
    subject_numbers,
)
from fedpsyau_jax.synthesis.warp import backward_field, smooth_motion
from fedpsyau_jax.vision.crop import crop_points
from fedpsyau_jax.vision.sample import Settings, flow_image
from fedpsyau_jax.vision.stabilise import as_filmed

FACE_SQUARE = Settings().square

STILL_HEAD = replace(FEDERATED.conditions, shift=0.0, turn=0.0, zoom=0.0)


@cache
def face():
    return portrait(FEDERATED, 3)


@cache
def every_clip() -> tuple[Clip, ...]:
    return tuple(clip for subject in subject_numbers(FEDERATED) for clip in clips(FEDERATED, subject))


def grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def motion_error(take: Take, settings: Settings) -> float:
    """Root mean square of (measured - true muscle motion) at the inner landmarks, aligned-face pixels."""
    box = FACE_SQUARE(take.onset_landmarks)
    points = crop_points(take.onset_landmarks, box, 128)[17:]
    measured = flow_image(grey(take.onset), grey(take.apex), take.onset_landmarks, settings)
    columns, rows = np.rint(points).astype(int).clip(0, 127).T
    true = take.muscle_motion[17:] * 128 / box.side
    return float(np.sqrt(((measured[rows, columns, :2] - true) ** 2).sum(1).mean()))


def test_mirror_image_of_the_mean_face_is_itself():
    shape = mean_shape()
    np.testing.assert_allclose(shape[mirror_order()] * (-1, 1), shape)
    assert np.linalg.norm(shape[16] - shape[0]) == 1


def test_people_differ_but_stay_symmetric():
    shapes = [shape_of(draw_proportions(np.random.default_rng(seed))) for seed in range(5)]
    for shape in shapes:
        np.testing.assert_allclose(shape[mirror_order()] * (-1, 1), shape, atol=1e-12)
    assert min(np.abs(a - b).max() for a, b in pairwise(shapes)) > 0.005


def test_muscles_know_the_networks_action_units_in_its_order():
    assert tuple(MOTION) == ACTION_UNITS


@pytest.mark.parametrize("au", ACTION_UNITS)
def test_both_sides_mirror_and_one_side_stays_on_its_side(au: int):
    both, left, right = (displacement([Action(au, 1.0, side)]) for side in ("", "L", "R"))
    np.testing.assert_allclose(both[:68][mirror_order()] * (-1, 1), both[:68], atol=1e-12)
    np.testing.assert_allclose(left + right, both, atol=1e-12)
    assert (left[control_points(mean_shape())[:, 0] > 1e-9] == 0).all()


def test_smooth_motion_meets_its_points_and_dies_out():
    centres = np.array([[30.0, 40.0], [90.0, 80.0]])
    motion = smooth_motion(centres, np.array([[3.0, 0.0], [0.0, -2.0]]), 12.0)
    np.testing.assert_allclose(motion(centres), [[3, 0], [0, -2]], atol=0.07)
    assert np.abs(motion(np.array([[200.0, 200.0]]))).max() < 1e-6


def test_backward_field_undoes_the_motion():
    motion = smooth_motion(np.array([[60.0, 60.0]]), np.array([[5.0, -3.0]]), 20.0)
    field = backward_field(motion, 128)
    here = np.stack(np.meshgrid(np.arange(30, 90, 7.0), np.arange(30, 90, 7.0)), -1).reshape(-1, 2)
    there = (here + motion(here)).astype(np.float32)
    back = cv2.remap(field, there[None], np.empty(0, np.float32), cv2.INTER_LINEAR)[0]
    np.testing.assert_allclose(there + back, here, atol=0.15)


def test_a_known_expression_is_recovered_by_the_flow():
    take = film(face(), [Action(12, 0.35), Action(1, 0.35)], STILL_HEAD, np.random.default_rng(0))
    size = float(np.sqrt((take.muscle_motion[17:] ** 2).sum(1).mean()) * 128 / FACE_SQUARE(take.onset_landmarks).side)
    assert size > 0.5
    assert motion_error(take, Settings()) < 0.5 * size


@pytest.mark.slow
def test_stabilising_takes_the_head_out_and_leaves_the_muscles():
    conditions = replace(FEDERATED.conditions, shift=0.012)
    takes = [film(face(), [Action(4, 0.3)], conditions, np.random.default_rng(seed)) for seed in range(3)]
    with_it = np.mean([motion_error(take, Settings()) for take in takes])
    without = np.mean([motion_error(take, Settings(stabilise=as_filmed)) for take in takes])
    assert with_it < 0.4
    assert without > 2 * with_it


def test_frames_are_pictures_with_a_face_at_the_landmarks():
    take = film(face(), [], FEDERATED.conditions, np.random.default_rng(1))
    assert take.onset.shape == take.apex.shape == (256, 256, 3)
    assert take.onset.dtype == np.uint8
    np.testing.assert_array_equal(take.muscle_motion, 0)
    box = FACE_SQUARE(take.onset_landmarks)
    assert box.left > 0
    assert box.left + box.side < 256
    picture = grey(take.onset).astype(float)
    pupils = [take.onset_landmarks[eye].mean(0) for eye in (slice(36, 42), slice(42, 48))]
    cheeks = [take.onset_landmarks[pair].mean(0) for pair in ([41, 48], [46, 54])]
    for (px, py), (cx, cy) in zip(pupils, cheeks, strict=True):
        assert picture[round(py), round(px)] < 0.7 * picture[round(cy), round(cx)]


def test_the_camera_adds_noise_of_the_stated_strength():
    still = replace(STILL_HEAD, flicker=0.0, grain=3.0)
    take = film(face(), [], still, np.random.default_rng(2))
    difference = take.onset.astype(float) - take.apex
    assert np.std(difference) == pytest.approx(3 * np.sqrt(2), rel=0.1)


def test_a_clip_depends_on_its_own_seed_only():
    first, again = clips(FEDERATED, 7), clips(replace(FEDERATED, num_subjects=1), 7)
    assert first == again
    assert clips(replace(FEDERATED, seed=1), 7) != first
    one = film(face(), first[0].actions, STILL_HEAD, filming_generator(FEDERATED, first[0]))
    two = film(face(), first[0].actions, STILL_HEAD, filming_generator(FEDERATED, first[0]))
    np.testing.assert_array_equal(one.apex, two.apex)
    np.testing.assert_array_equal(portrait(FEDERATED, 3).picture, face().picture)


def test_populations_share_nobody():
    assert not set(subject_numbers(FEDERATED)) & set(subject_numbers(PRETRAINING))
    assert not np.allclose(portrait(FEDERATED, 1).landmarks, portrait(PRETRAINING, 1001).landmarks)


def test_the_default_population_is_of_the_stated_size():
    counts = [len(clips(FEDERATED, subject)) for subject in subject_numbers(FEDERATED)]
    assert len(counts) == 60
    assert 380 <= sum(counts) <= 460
    assert 6 <= np.median(counts) <= 8
    assert {len(clips(PRETRAINING, subject)) for subject in subject_numbers(PRETRAINING)} == {10}


def test_emotions_are_as_unequal_as_in_dfme():
    counts = np.bincount([clip.emotion for clip in every_clip()], minlength=7)
    expected = emotions.emotion_shares() * counts.sum()
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()
    assert counts.argmax() == emotions.EMOTIONS.index("disgust")


def test_some_clips_have_a_one_sided_au_and_all_have_an_au():
    assert all(clip.actions for clip in every_clip())
    share = np.mean([any(action.side for action in clip.actions) for clip in every_clip()])
    assert 0.10 <= share <= 0.18
    assert all(0.05 <= action.intensity <= 0.35 for clip in every_clip() for action in clip.actions)


def test_pretraining_has_no_emotion_and_even_action_units():
    shown = [clip for subject in subject_numbers(PRETRAINING) for clip in clips(PRETRAINING, subject)]
    assert {clip.emotion for clip in shown} == {None}
    shares = [np.mean([au in {action.au for action in clip.actions} for clip in shown]) for au in ACTION_UNITS]
    assert min(shares) > 0.06
    assert max(shares) < 0.25


def test_drawn_aus_follow_the_table():
    generator = np.random.default_rng(0)
    for emotion in (2, 6):
        drawn = np.mean([emotions.draw_aus(emotion, generator) for _ in range(3000)], axis=0)
        np.testing.assert_allclose(drawn, emotions.AU_GIVEN_EMOTION[emotion], atol=0.035)


def test_the_bayes_rule_agrees_with_a_simulation():
    rule = emotions.bayes_rule()
    shares, rates = emotions.emotion_shares(), emotions.au_rates()
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(4000):
        emotion = emotions.draw_emotion(generator)
        present = emotions.draw_aus(emotion, generator)
        likelihood = np.where(present, rates, 1 - rates).prod(1) / (1 - (1 - rates).prod(1))
        hits += int(np.argmax(shares * likelihood)) == emotion
    assert hits / 4000 == pytest.approx(rule.accuracy, abs=0.025)


def test_the_bayes_rule_of_balanced_classes_trades_accuracy_for_recall():
    plain, balanced = emotions.bayes_rule(), emotions.bayes_rule(1 / emotions.emotion_shares())
    assert plain.accuracy > balanced.accuracy
    assert balanced.uar > plain.uar
    assert emotions.emotion_shares().max() < plain.accuracy < 0.7
