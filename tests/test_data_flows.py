"""Samples whose flow JAX measures: in order, resumable, and the same whether pairs go one by one or together."""

from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_vision_tvl1 import of_opencv

from data import flows
from data.annotations import Dropped
from data.clips import Clip, files_of
from data.flows import Outcome, compiling, prepared_by_jax
from data.pipeline import ClipError, Prepared, Recipe, prepare, sample_key
from data.samm.layout import LAYOUT
from data.survey import Choices, survey
from fedpsyau_jax.synthesis.layouts import LAYOUTS, write_copy
from fedpsyau_jax.vision.detection import NoFaceError
from fedpsyau_jax.vision.flow import JaxTVL1, Program
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.tvl1 import Parameters

SIZE = 48
FLOW = JaxTVL1(Parameters(scales=1, warps=1))


def no_face(picture: np.ndarray) -> np.ndarray:
    """A detector that never finds any."""
    raise NoFaceError


RECIPE = Recipe(Settings(flow=FLOW, face_size=SIZE), no_face)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, ...]:
    """Five clips: the second's onset is no picture, and one shows no face."""
    root = tmp_path_factory.mktemp("flows") / "copy"
    write_copy(LAYOUTS["samm"], root, num_subjects=2, clips_per_subject=2, quirks=False, faceless=True)
    found = survey(LAYOUT, root, "all", Choices(detects=True)).usable().clips
    files_of(found[1])[0].write_bytes(b"no picture")
    return found


@pytest.fixture(scope="module")
def program() -> Future[Program]:
    return compiling(FLOW, SIZE)


@pytest.fixture(scope="module")
def made(clips: tuple[Clip, ...], program: Future[Program]) -> list[Outcome]:
    return list(prepared_by_jax(clips, RECIPE, program, num_workers=1))


def arrays(outcomes: list[Outcome]) -> np.ndarray:
    return np.array([item.sample.flow for item in outcomes if isinstance(item, Prepared)])


def test_every_clip_comes_at_its_place(made: list[Outcome], clips: tuple[Clip, ...]):
    assert [type(item) for item in made].count(Prepared) == 3
    assert isinstance(made[1], ClipError)
    dropped = [item for item in made if isinstance(item, Dropped)]
    assert [item.reason for item in dropped] == ["no face found in the onset frame"]
    for item, clip in zip(made, clips, strict=True):
        if isinstance(item, Prepared):
            assert item.clip.annotation == clip.annotation
        else:
            assert clip.annotation.clip in str(item)


def test_the_samples_are_those_of_one_clip_after_the_other(made: list[Outcome], clips: tuple[Clip, ...]):
    alone = [prepare(clip, RECIPE) for clip in clips]
    np.testing.assert_array_equal(arrays(made), arrays(alone))
    assert arrays(made).std() > 0.01


def test_they_are_those_of_opencv_with_these_constants(made: list[Outcome], clips: tuple[Clip, ...]):
    opencv = partial(of_opencv, parameters=FLOW.parameters)
    theirs = [prepare(clip, replace(RECIPE, settings=replace(RECIPE.settings, flow=opencv))) for clip in clips]
    np.testing.assert_allclose(arrays(made), arrays(theirs), atol=1e-3)


def test_finished_samples_are_taken_again(
    made: list[Outcome], clips: tuple[Clip, ...], program: Future[Program], tmp_path: Path, monkeypatch: Any
):
    first = list(prepared_by_jax(clips, RECIPE, program, 1, tmp_path))
    monkeypatch.setattr(flows, "finished_arrays", None)
    again = list(prepared_by_jax(clips, RECIPE, Future(), 1, tmp_path))
    for outcomes in (first, again):
        np.testing.assert_array_equal(arrays(outcomes), arrays(made))


def test_other_constants_are_another_recipe(clips: tuple[Clip, ...]):
    other = replace(RECIPE, settings=replace(RECIPE.settings, flow=JaxTVL1()))
    assert sample_key(clips[0], other) != sample_key(clips[0], RECIPE)
    assert "tolerance=0.01" in str(other.description())


@pytest.mark.slow
def test_an_accelerators_groups_have_the_same_samples(made: list[Outcome], clips: tuple[Clip, ...], monkeypatch: Any):
    monkeypatch.setattr(flows, "pairs_at_once", lambda: 2)
    together = list(prepared_by_jax(clips, RECIPE, compiling(FLOW, SIZE), 1))
    assert [type(item) for item in together] == [type(item) for item in made]
    np.testing.assert_allclose(arrays(together), arrays(made), atol=1e-3)
