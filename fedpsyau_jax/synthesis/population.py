"""Synthetic subjects and their clips, each with its own seed, so that their order does not matter."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from fedpsyau_jax.synthesis.emotions import draw_any_aus, draw_aus, draw_emotion
from fedpsyau_jax.synthesis.filming import Conditions
from fedpsyau_jax.synthesis.muscles import MOTION, Action, Side
from fedpsyau_jax.synthesis.portrait import Portrait, draw_portrait
from fedpsyau_jax.synthesis.site import USUAL, Site


@dataclass(frozen=True)
class Population:
    """A group of synthetic subjects.

    Attributes:
        num_subjects: people.
        first_subject: number of the first; populations with disjoint numbers share no person.
        min_clips: fewest clips of a person.
        extra_clips: mean of the Poisson number of further clips.
        emotional: AUs follow a drawn emotion; otherwise they are drawn evenly and there is no emotion.
        intensity: range of the AUs' uniform intensities (1 = the strongest possible expression).
        one_sided: share of AUs that move one side of the face only.
        conditions: how they are filmed.
        seed: determines everything else.
    """

    num_subjects: int
    first_subject: int = 1
    min_clips: int = 3
    extra_clips: float = 4.0
    emotional: bool = True
    intensity: tuple[float, float] = (0.05, 0.35)
    one_sided: float = 0.09
    conditions: Conditions = field(default_factory=Conditions)
    seed: int = 0


FEDERATED = Population(num_subjects=60)
PRETRAINING = Population(num_subjects=16, first_subject=1001, min_clips=10, extra_clips=0.0, emotional=False)


class Clip(NamedTuple):
    """What happens in one clip; frame numbers as the camera counts them.

    ``shown``: the shares of the expression in the frames called onset and apex.
    """

    subject: str
    name: str
    onset: int
    apex: int
    offset: int
    fps: int
    emotion: int | None
    actions: tuple[Action, ...]
    shown: tuple[float, float] = (0.0, 1.0)


def subject_name(number: int) -> str:
    """``sub0003`` for 3."""
    return f"sub{number:04d}"


def subject_numbers(population: Population) -> range:
    """The numbers of a population's subjects."""
    return range(population.first_subject, population.first_subject + population.num_subjects)


def portrait(population: Population, subject: int, site: Site = USUAL) -> Portrait:
    """The face of a subject, as it looks in the light of a site."""
    generator = _generator(population.seed, subject, 0)
    return draw_portrait(generator, people=site.people, lighting=site.lighting)


def clips(population: Population, subject: int, site: Site = USUAL) -> list[Clip]:
    """All clips of a subject at a site, in order."""
    extra = int(_generator(population.seed, subject, 1).poisson(population.extra_clips))
    return [_clip(population, subject, i, site) for i in range(1, population.min_clips + extra + 1)]


def filming_generator(population: Population, clip: Clip) -> np.random.Generator:
    """The random generator of the camera in one clip."""
    subject, _, index = clip.name.removeprefix("sub").partition("_")
    return _generator(population.seed, int(subject), 3, int(index))


def _generator(seed: int, *place: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


def _clip(population: Population, subject: int, index: int, site: Site) -> Clip:
    generator = _generator(population.seed, subject, 2, index)
    emotion = draw_emotion(generator, np.array(site.shares)) if population.emotional else None
    present = draw_any_aus(generator) if emotion is None else draw_aus(emotion, generator)
    fps = site.speed.rate(int(generator.choice([200, 500])))
    rise = generator.normal(0.20, 0.03, 2).clip(0.1, 0.3)
    onset = int(generator.integers(20, 400))
    return Clip(
        subject=subject_name(subject),
        name=f"{subject_name(subject)}_{index:02d}",
        onset=onset,
        apex=onset + round(fps * rise[0]),
        offset=onset + round(fps * rise.sum()),
        fps=fps,
        emotion=emotion,
        actions=tuple(
            Action(au, float(generator.uniform(*population.intensity)), _side(population, generator))
            for au, shown in zip(MOTION, present, strict=True)
            if shown
        ),
        shown=site.speed.caught(fps, float(rise[0]), _generator(population.seed, subject, 4, index)),
    )


def _side(population: Population, generator: np.random.Generator) -> Side:
    if generator.random() >= population.one_sided:
        return ""
    return "L" if generator.random() < 0.5 else "R"
