"""Synthetic labs: strength 0 is the database without labs; each factor changes what it says and nothing else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fedpsyau_jax.synthesis import challenge_layout
from fedpsyau_jax.synthesis.camera import Camera, Speed, record
from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.lab_facts import DATABASES
from fedpsyau_jax.synthesis.lab_shift import FACTORS, LabShift, parse_shift, shift_of_name
from fedpsyau_jax.synthesis.labs import Lab, Labs, labs_named, labs_of, num_subjects
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.population import FEDERATED, clips, portrait, subject_numbers
from fedpsyau_jax.synthesis.site import USUAL, Annotators, Site

FULL = LabShift(*[1.0] * len(FACTORS))
TINY = replace(FEDERATED, num_subjects=6, min_clips=2, extra_clips=0.0)
CHANGED = {
    "camera": {"camera"},
    "frame_rate": {"speed"},
    "light": {"lighting"},
    "elicitation": {"shares"},
    "population": {"people"},
    "annotators": {"annotators"},
    "subjects": set(),
}
"""By factor, the parts of a site that it may change."""


def only(factor: str, strength: float = 1.0) -> LabShift:
    return LabShift(**{factor: strength})


@pytest.mark.parametrize("num_labs", [2, 3, 5])
def test_labs_that_do_not_differ_share_the_people_and_the_site_of_the_database_without_labs(num_labs: int):
    labs = labs_of(Labs(num_labs))
    assert all(lab.site == USUAL for lab in labs)
    assert all(lab.population.conditions == FEDERATED.conditions for lab in labs)
    everybody = [subject for lab in labs for subject in subject_numbers(lab.population)]
    assert everybody == list(subject_numbers(FEDERATED))
    sizes = [lab.population.num_subjects for lab in labs]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.slow
def test_pictures_and_table_of_labs_that_do_not_differ_are_those_without_labs(tmp_path):
    (first, *_), alone, shared = labs_of(Labs(3, population=TINY)), tmp_path / "alone", tmp_path / "labs"
    for root in (alone, shared):
        root.mkdir()
    challenge_layout.write_subject(alone, TINY, 1)
    challenge_layout.write_subject(shared, first.population, 1, first.site)
    files = sorted(path.relative_to(alone) for path in alone.rglob("*") if path.is_file())
    assert len(files) == 8
    assert all((alone / name).read_bytes() == (shared / name).read_bytes() for name in files)
    plain = challenge_layout.write_table(alone, [(TINY, USUAL)])
    labelled = challenge_layout.write_table(shared, [lab[1:] for lab in labs_of(Labs(3, population=TINY))])
    assert plain.read_bytes() == labelled.read_bytes()


@pytest.mark.parametrize("factor", LabShift._fields)
def test_a_factor_changes_what_it_says_and_nothing_else(factor: str):
    labs = labs_of(Labs(3, only(factor)))
    differing = {
        name for lab in labs for name in Site.__dataclass_fields__ if getattr(lab.site, name) != getattr(USUAL, name)
    }
    assert differing == CHANGED[factor]
    sizes = [lab.population.num_subjects for lab in labs]
    assert (sizes == [20, 20, 20]) == (factor != "subjects")
    conditions = [replace(lab.population.conditions, grain=2.0, flicker=0.008) for lab in labs]
    assert conditions == [FEDERATED.conditions] * 3
    assert all((lab.population.conditions.grain == 2.0) or factor == "camera" for lab in labs)
    assert all((lab.population.conditions.flicker == 0.008) or factor == "light" for lab in labs)


@pytest.mark.parametrize("factor", ["camera", "light", "population", "annotators"])
def test_what_happens_in_a_clip_depends_on_elicitation_and_frame_rate_only(factor: str):
    for lab in labs_of(Labs(3, only(factor))):
        assert clips(lab.population, 3, lab.site) == clips(FEDERATED, 3)


def test_half_strength_is_half_way():
    none, half, full = ([lab.site.shares for lab in labs_of(Labs(3, only("elicitation", s)))] for s in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (np.array(none) + full) / 2)


def test_the_first_three_labs_are_the_three_databases_at_full_strength():
    for lab, database in zip(labs_of(Labs(3, FULL)), DATABASES, strict=True):
        np.testing.assert_allclose(np.array(lab.site.shares) * sum(database.clips), database.clips, atol=1e-9)
        assert lab.site.speed.rate(500) == database.fps
        assert lab.site.people == database.people
        assert lab.site.annotators == Annotators(database.threshold, database.never_scored)
    assert num_subjects(Labs(3, FULL)) == [10, 12, 38]


def test_emotions_are_drawn_with_the_shares_of_the_lab():
    casme2, *_ = labs_of(Labs(3, only("elicitation")))
    emotions = [clip.emotion for subject in range(1, 150) for clip in clips(casme2.population, subject, casme2.site)]
    drawn = np.bincount(emotions, minlength=len(EMOTIONS)) / len(emotions)
    np.testing.assert_allclose(drawn, casme2.site.shares, atol=0.06)
    assert drawn[0] == drawn[1] == 0


@pytest.mark.parametrize("place", range(3))
def test_aus_of_a_clip_are_about_as_many_as_in_the_databases_tables(place: int):
    lab = labs_of(Labs(3, FULL))[place]
    taken = [clip for subject in range(1, 150) for clip in clips(lab.population, subject, lab.site)]
    mean = np.mean([len(replace(lab.site.annotators, never_scored=()).coded(clip.actions)) for clip in taken])
    assert mean == pytest.approx((1.44, 1.09, 1.08)[place], abs=0.05)


def test_further_labs_are_mixtures_that_depend_on_seed_and_number_only():
    few, many = labs_of(Labs(4, FULL)), labs_of(Labs(6, FULL))
    assert [lab.site for lab in few] == [lab.site for lab in many[:4]]
    other = labs_of(Labs(4, FULL, replace(FEDERATED, seed=1)))
    assert few[2].site == other[2].site
    assert few[3].site != other[3].site
    assert min(facts.resolution for facts in DATABASES) <= few[3].site.camera.resolution <= 1
    assert len({lab.site for lab in many}) == 6


@pytest.mark.parametrize("num_labs", [2, 7, 30])
@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_everybody_is_in_one_lab_of_at_least_two(num_labs: int, strength: float):
    labs = Labs(num_labs, only("subjects", strength))
    made = labs_of(labs)
    assert [subject for lab in made for subject in subject_numbers(lab.population)] == list(range(1, 61))
    assert min(num_subjects(labs)) >= 2
    names = [lab.name for lab in made]
    assert names == sorted(set(names))


@pytest.mark.parametrize("num_labs", [1, 31])
def test_labs_without_people_to_train_and_to_test_on_are_refused(num_labs: int):
    with pytest.raises(ValueError, match=f"{num_labs} labs of 60 subjects: choose 2 to 30 labs"):
        Labs(num_labs)


@pytest.mark.slow
def test_light_and_population_change_the_face_in_other_ways():
    shifts = (LabShift(), only("light"), only("population"))
    plain, lit, other = (labs_of(Labs(3, shift))[0] for shift in shifts)

    def face(lab: Lab):
        return portrait(lab.population, 2, lab.site)

    np.testing.assert_array_equal(face(plain).landmarks, face(lit).landmarks)
    assert np.abs(face(plain).picture - face(lit).picture).mean() > 0.005
    assert np.abs(face(plain).landmarks - face(other).landmarks).max() > 1


def test_a_slow_camera_misses_onset_and_apex_and_a_fast_one_does_not():
    generator = np.random.default_rng(0)
    slow, fast = (np.array([Speed(fps, 1.0).caught(fps, 0.2, generator) for _ in range(200)]) for fps in (30, 200))
    for shares, lowest in ((slow, 0.8), (fast, 0.99)):
        assert (shares[:, 0] >= 0).all()
        assert lowest < shares[:, 1].min() < shares[:, 1].max() <= 1
    assert slow[:, 0].mean() > 10 * fast[:, 0].mean()
    assert Speed().caught(200, 0.2, generator) == (0.0, 1.0)


def test_a_camera_shrinks_greys_and_compresses_the_picture():
    frame = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    frame = cv2.GaussianBlur(frame, (0, 0), 2)
    points = np.tile([31.5, 31.5], (68, 1))
    same, kept = record(frame, points, Camera())
    assert same is frame
    assert kept is points
    small, moved = record(frame, points, Camera(resolution=0.5))
    assert small.shape == (32, 32, 3)
    np.testing.assert_allclose(moved, 15.5)
    grey, _ = record(frame, points, Camera(grey=True))
    assert (grey[..., 0] == grey[..., 2]).all()
    errors = [np.abs(record(frame, points, Camera(quality=q))[0].astype(int) - frame).mean() for q in (90.0, 30.0)]
    assert 0 < errors[0] < errors[1] < 20


def test_annotators_see_the_strongest_au_and_those_above_their_threshold():
    actions = (Action(1, 0.1), Action(4, 0.3, "L"), Action(6, 0.2))
    assert Annotators().coded(actions) == actions
    assert Annotators(0.15).coded(actions) == actions[1:]
    assert Annotators(0.9).coded(actions) == actions[1:2]
    assert Annotators(0.9, (4, 6)).coded(actions) == actions[:1]
    assert Annotators(0.0, (1, 4, 6)).coded(actions) == ()


@pytest.mark.parametrize("text", ["0", "1", "0.25", "light=1", "light=1,frame-rate=0.5", "frame_rate=0.5+light=1.0"])
def test_a_shift_is_written_in_the_name_of_its_configuration(text: str):
    labs = Labs(3, parse_shift(text))
    assert labs_named(labs.name) == labs
    assert shift_of_name(str(labs.shift)) == labs.shift


@pytest.mark.parametrize(
    ("text", "sentence"),
    {
        "lihgt=1": "unknown factor lihgt: did you mean light?",
        "weather=1": "unknown factor weather: choose from camera, frame-rate",
        "light=2": "light=2: a strength is from 0",
        "-0.1": "-0.1: a strength is from 0",
        "nan": "nan: a strength is from 0",
        "strong": "'strong' has no strength from 0 to 1",
        "light": "'light' has no strength",
        "light=": "'light=' has no strength",
        "light=1,camera": "'camera' is not factor=strength",
        "light=1,light=0": "light is named twice",
        "": "'' has no strength",
    }.items(),
)
def test_a_bad_shift_is_refused_in_one_sentence(text: str, sentence: str):
    with pytest.raises(ValueError, match=f"^{sentence.replace('?', '[?]')}") as refusal:
        parse_shift(text)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["labs-3", "labs-x-1", "labs-3-lihgt1", "labs-1-0", "labs-3-2"])
def test_a_bad_name_of_labs_is_refused(name: str):
    with pytest.raises(ValueError, match=r"labs|light|strength"):
        labs_named(name)
