"""Synthetic labs: sites that differ in camera, frame rate, light, elicitation, population, annotators and size.

Lab 1 resembles CASME II, lab 2 SAMM, lab 3 CAS(ME)^3 (``lab_facts``). Each further lab mixes the three at random, each
factor on its own: its camera may be nearly that of one, its annotators nearly those of another. With strength s, a
factor's numbers are (1 - s) times those of the synthetic database without labs and s times those of the lab.
"""

import re
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fedpsyau_jax.synthesis.appearance import People
from fedpsyau_jax.synthesis.camera import Camera, Speed
from fedpsyau_jax.synthesis.lab_facts import DATABASES, numbers_of, usual_numbers
from fedpsyau_jax.synthesis.lab_shift import LabShift, shift_of_name
from fedpsyau_jax.synthesis.population import FEDERATED, Population
from fedpsyau_jax.synthesis.portrait import Lighting
from fedpsyau_jax.synthesis.site import USUAL, Annotators, Site

FEWEST_SUBJECTS = 2
"""Of a lab: one to train on, one to test on."""
_CONCENTRATION = 0.5
"""Of the Dirichlet distribution of a further lab's mixture: most labs are near one of the three."""
_LABS = 5
"""Place in the seed sequence; population.py has 0 to 4."""


@dataclass(frozen=True)
class Labs:
    """Some labs that share the people of a population among them.

    Attributes:
        num_labs: how many, at least 2.
        shift: how strongly they differ.
        population: everybody, in the labs' order.
    """

    num_labs: int
    shift: LabShift = field(default_factory=LabShift)
    population: Population = FEDERATED

    def __post_init__(self) -> None:
        """Check that each lab has somebody to train and to test on.

        Raises:
            ValueError: it has not.
        """
        most = self.population.num_subjects // FEWEST_SUBJECTS
        if not 2 <= self.num_labs <= most:
            raise ValueError(
                f"{self.num_labs} labs of {self.population.num_subjects} subjects: choose 2 to {most} labs, so that "
                f"each has at least {FEWEST_SUBJECTS} subjects"
            )

    @property
    def name(self) -> str:
        """Of the configuration of the synthetic database: ``labs-3-0.5``."""
        return f"labs-{self.num_labs}-{self.shift}"


class Lab(NamedTuple):
    """One lab: its name, its people and how their heads and light move, and how it films and annotates."""

    name: str
    population: Population
    site: Site


def labs_named(name: str) -> Labs:
    """The labs of a configuration.

    Raises:
        ValueError: it is no name of labs.

    >>> labs_named(Labs(4, LabShift(light=1.0)).name) == Labs(4, LabShift(light=1.0))
    True
    """
    found = re.fullmatch(r"labs-(\d+)-(.+)", name)
    if not found:
        raise ValueError(f"{name} names no labs: write labs-NUMBER-STRENGTH, such as labs-3-0.5")
    return Labs(int(found[1]), shift_of_name(found[2]))


def labs_of(labs: Labs) -> tuple[Lab, ...]:
    """Every lab, with the numbers of its people one after the other.

    >>> [(lab.name, lab.population.num_subjects) for lab in labs_of(Labs(3, LabShift(subjects=1.0)))]
    [('lab1', 10), ('lab2', 12), ('lab3', 38)]
    """
    sizes = num_subjects(labs)
    first = labs.population.first_subject
    made = []
    for number, size in enumerate(sizes, 1):
        population, site = _films(labs, number)
        name = f"lab{number:0{len(str(labs.num_labs))}d}"
        made.append(Lab(name, replace(population, num_subjects=size, first_subject=first), site))
        first += size
    return tuple(made)


def num_subjects(labs: Labs) -> list[int]:
    """People of each lab, by largest remainders of sizes to the power of the strength; equal at strength 0."""
    total, strength = labs.population.num_subjects, labs.shift.subjects
    logs = np.array([_mixed(labs, number, "subjects")[0] for number in range(1, labs.num_labs + 1)])
    shares = np.exp(strength * (logs - logs.max()))
    spare = total - FEWEST_SUBJECTS * labs.num_labs
    ideal = total * shares / shares.sum()
    above = np.maximum(ideal - FEWEST_SUBJECTS, 0)
    exact = above * spare / above.sum() if spare else np.zeros(labs.num_labs)
    sizes = np.floor(exact + 1e-9).astype(int)
    order = np.argsort(-(exact - sizes), kind="stable")
    sizes[order[: spare - sizes.sum()]] += 1
    return [int(size) + FEWEST_SUBJECTS for size in sizes]


def _films(labs: Labs, number: int) -> tuple[Population, Site]:
    shift, conditions = labs.shift, labs.population.conditions
    usual = usual_numbers(USUAL, conditions)
    own = {name: _between(usual[name], _mixed(labs, number, name), float(getattr(shift, name))) for name in usual}
    resolution, quality, grey, grain = own["camera"].tolist()
    lightest, darkest, dark_hair, variety = own["population"].tolist()
    # Shrinking a picture averages its noise: the noise of the small picture is the one that is meant.
    conditions = replace(conditions, grain=grain / resolution, flicker=float(own["light"][-1]))
    fps = round(float(np.exp(_mixed(labs, number, "frame_rate")[0])), 3)
    return replace(labs.population, conditions=conditions), Site(
        camera=Camera(resolution, quality, grey > 0.5),
        speed=Speed(fps, float(shift.frame_rate)) if shift.frame_rate else Speed(),
        lighting=_lighting(own["light"][:-1]),
        shares=tuple(own["elicitation"].tolist()),
        people=People((lightest, darkest), dark_hair, variety),
        annotators=Annotators(float(own["annotators"][0]), _never_scored(labs, number)),
    )


def _lighting(numbers: Float[np.ndarray, "values"]) -> Lighting:
    left, right, low, high, ambient, dim, bright, dull, glossy = numbers.tolist()
    return Lighting((left, right), (low, high), ambient, (dim, bright), (dull, glossy))


def _between(usual: np.ndarray, lab: np.ndarray, strength: float) -> np.ndarray:
    return usual if strength == 0 else (1 - strength) * usual + strength * lab


def _never_scored(labs: Labs, number: int) -> tuple[int, ...]:
    """The first of the AUs that the lab's nearest database hardly ever scores, as many as the strength says."""
    aus = DATABASES[int(np.argmax(_weights(labs, number, "annotators")))].never_scored
    return aus[: round(labs.shift.annotators * len(aus))]


def _mixed(labs: Labs, number: int, factor: str) -> Float[np.ndarray, "values"]:
    return _weights(labs, number, factor) @ np.stack([numbers_of(database)[factor] for database in DATABASES])


def _weights(labs: Labs, number: int, factor: str) -> Float[np.ndarray, "databases"]:
    """How much a lab's factor is that of each database."""
    if number <= len(DATABASES):
        return np.eye(len(DATABASES))[number - 1]
    place = (_LABS, number, LabShift._fields.index(factor))
    generator = np.random.default_rng(np.random.SeedSequence(labs.population.seed, spawn_key=place))
    return generator.dirichlet([_CONCENTRATION] * len(DATABASES))
