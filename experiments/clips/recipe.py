"""How the pictures of a training set became samples: the same must be done to a clip."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.dataset import Dataset
from fedpsyau_jax.vision.crop import SQUARES
from fedpsyau_jax.vision.flow import JaxTVL1, tvl1
from fedpsyau_jax.vision.plausible import MotionBound, unbounded
from fedpsyau_jax.vision.sample import Settings, name_of
from fedpsyau_jax.vision.scaling import FixedRange, min_max
from fedpsyau_jax.vision.stabilise import as_filmed, without_head_motion

CHOICES: Mapping[str, Sequence[Callable[..., Any]]] = {
    "square": tuple(SQUARES.values()),
    "stabilise": (without_head_motion, as_filmed),
    "flow": (JaxTVL1(), tvl1),
    "bound": (MotionBound(), unbounded),
    "scaling": (FixedRange(), min_max),
}
"""What a step of a recipe may be."""


def settings_of_data(datasets: Sequence[Dataset]) -> Settings:
    """The recipe of all data sets.

    Data sets of one's own do not say how their samples were made: these are taken to follow the defaults.

    Raises:
      ValueError: they have several recipes, or one with functions that the package does not have.
    """
    described = {one.name: one.metadata["pipeline"] for one in datasets if "pipeline" in one.metadata}
    if not described:
        return Settings()
    found = {name: settings_described(name, description) for name, description in described.items()}
    name, first = next(iter(found.items()))
    for other, settings in found.items():
        if settings != first:
            raise ValueError(f"{name} and {other} were prepared with other recipes: a clip can be read with one only")
    return first


def settings_described(name: str, description: dict[str, Any]) -> Settings:
    """The settings that ``Settings.description`` describes.

    Args:
      name: of the data set, for the message.
      description: as in its metadata.

    Raises:
      ValueError: it names something that the package does not have.

    >>> settings_described("mine", Settings().description()) == Settings()
    True
    >>> settings_described("mine", Settings(flow=JaxTVL1()).description()).flow == JaxTVL1()
    True
    """
    chosen: dict[str, Any] = {}
    for field, choices in CHOICES.items():
        known = {name_of(choice): choice for choice in choices}
        if (said := description.get(field)) not in known:
            raise ValueError(
                f"{name} was prepared with {field} {said}, which the package does not have; it has {', '.join(known)}"
            )
        chosen[field] = known[said]
    return Settings(**chosen, face_size=int(description["face_size"]), flow_size=int(description["flow_size"]))
