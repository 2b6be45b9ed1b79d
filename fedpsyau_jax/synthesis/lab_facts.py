"""Three databases as labs: the ends of the factors in which synthetic labs differ.

[P] = published by the database's authors, [T] = counted in its annotation table, [I] = inferred: no number is
published, and the value is our guess of what their description implies.

Sources: Yan et al. 2014 (CASME II); Davison et al. 2018 (SAMM); Li et al. 2023 (CAS(ME)^3, part A).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from fedpsyau_jax.synthesis.appearance import People
from fedpsyau_jax.synthesis.filming import Conditions
from fedpsyau_jax.synthesis.portrait import Lighting
from fedpsyau_jax.synthesis.site import Site

Values = Float[np.ndarray, "values"]


class LabFacts(NamedTuple):
    """One database as a lab.

    Attributes:
        resolution: width of a face, as a share of SAMM's.
        quality: of its JPEG files.
        grey: 1 if it is filmed without colour.
        grain: sensor noise in its files, grey levels.
        fps: frames a second.
        lighting: lamps.
        flicker: relative change of the light between two frames.
        clips: of anger, contempt, disgust, fear, happiness, sadness, surprise; others belong to no class.
        people: whom it records.
        threshold: intensity from which its coders see an AU.
        never_scored: AUs that they hardly ever score, the rarest first.
        num_subjects: people with clips.
    """

    resolution: float
    quality: float
    grey: float
    grain: float
    fps: float
    lighting: Lighting
    flicker: float
    clips: tuple[int, ...]
    people: People
    threshold: float
    never_scored: tuple[int, ...]
    num_subjects: int


CASME2 = LabFacts(
    resolution=0.7,  # [P] faces of 280 x 340 pixels against SAMM's 400 x 400
    quality=90.0,  # [P] JPEG, [I] its quality
    grey=0.0,  # [P]
    grain=2.0,  # [I]
    fps=200.0,  # [P]
    # [P] four lamps, no flicker, few highlights; [I] all numbers
    lighting=Lighting(side=(-0.15, 0.15), above=(0.2, 0.5), ambient=0.48, diffuse=(0.54, 0.62), gloss=(0.01, 0.05)),
    flicker=0.004,  # [I]
    clips=(0, 0, 63, 2, 32, 7, 25),  # [T]
    people=People(skin=(0.4, 1.8), dark_hair=1.0, variety=0.8),  # [P] Chinese, mean age 22; [I] all numbers
    threshold=0.11,  # [T] 1.44 of our AUs a clip; [I] that the rest is overlooked
    never_scored=(5,),  # [T] in less than 1.5 % of the clips
    num_subjects=26,  # [T]
)
SAMM = LabFacts(
    resolution=1.0,  # [P] the largest faces, rendered as without labs
    quality=95.0,  # [P] JPEG, [I] its quality
    grey=1.0,  # [P]
    grain=2.0,  # [I]
    fps=200.0,  # [P]
    # [P] an array of LEDs on direct current, no flicker; [I] all numbers
    lighting=Lighting(side=(-0.3, 0.3), above=(0.3, 0.6), ambient=0.40, diffuse=(0.64, 0.72), gloss=(0.03, 0.09)),
    flicker=0.004,  # [I]
    clips=(57, 12, 9, 8, 26, 6, 15),  # [T]
    people=People(skin=(0.0, 4.0), dark_hair=0.35, variety=1.0),  # [P] 13 ethnicities, mean age 33; [I] all numbers
    threshold=0.23,  # [T] 1.09 of our AUs a clip; [I] that the rest is overlooked
    never_scored=(),  # [T]
    num_subjects=29,  # [T]
)
CASME3 = LabFacts(
    resolution=0.5,  # [P] 1280 x 720 pixels for the whole scene; [I] a face of about 200
    quality=75.0,  # [P] JPEG, [I] its quality
    grey=0.0,  # [P]
    grain=4.0,  # [P] a consumer camera; [I] its noise
    fps=30.0,  # [P]
    # [I] one-sided, less even than the two others
    lighting=Lighting(side=(0.15, 0.65), above=(0.1, 0.5), ambient=0.26, diffuse=(0.62, 0.76), gloss=(0.04, 0.12)),
    flicker=0.02,  # [I]
    clips=(64, 0, 250, 86, 55, 57, 187),  # [T]
    people=People(skin=(0.4, 2.2), dark_hair=1.0, variety=0.8),  # [I] as CASME II, by the same institute
    threshold=0.25,  # [T] 1.08 of our AUs a clip; [I] that the rest is overlooked
    never_scored=(15, 6, 10),  # [T] in less than 1.5 % of the clips
    num_subjects=94,  # [T]
)
DATABASES = (CASME2, SAMM, CASME3)


def numbers_of(lab: LabFacts) -> dict[str, Values]:
    """The numbers of each factor, to be mixed and weighted; frame rate and subjects as logarithms."""
    light, people, clips = lab.lighting, lab.people, np.array(lab.clips, float)
    return {
        "camera": np.array([lab.resolution, lab.quality, lab.grey, lab.grain]),
        "frame_rate": np.log([lab.fps]),
        "light": np.array([*light.side, *light.above, light.ambient, *light.diffuse, *light.gloss, lab.flicker]),
        "elicitation": clips / clips.sum(),
        "population": np.array([*people.skin, people.dark_hair, people.variety]),
        "annotators": np.array([lab.threshold]),
        "subjects": np.log([lab.num_subjects]),
    }


def usual_numbers(site: Site, conditions: Conditions) -> dict[str, Values]:
    """The same numbers of the synthetic database without labs, except for frame rate and subjects."""
    camera, light, people = site.camera, site.lighting, site.people
    return {
        "camera": np.array([camera.resolution, camera.quality, float(camera.grey), conditions.grain]),
        "light": np.array([*light.side, *light.above, light.ambient, *light.diffuse, *light.gloss, conditions.flicker]),
        "elicitation": np.array(site.shares),
        "population": np.array([*people.skin, people.dark_hair, people.variety]),
        "annotators": np.array([site.annotators.threshold]),
    }
