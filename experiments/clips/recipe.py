"""How the pictures of a training set became samples: the same must be done to a clip."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from data.dataset import Dataset
from fedpsyau_jax.vision import flow, stabilise
from fedpsyau_jax.vision.crop import SQUARES
from fedpsyau_jax.vision.plausible import MotionBound, unbounded
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.scaling import FixedRange, min_max

MODULES = ("fedpsyau_jax.vision.flow", "fedpsyau_jax.vision.tvl1")
"""Where functions of optical flow are."""


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
    """
    choices: dict[str, Any] = {
        "square": {square.__name__: square for square in SQUARES.values()},
        "stabilise": {one.__name__: one for one in (stabilise.without_head_motion, stabilise.as_filmed)},
        "flow": _flows(),
        "bound": {repr(MotionBound()): MotionBound(), unbounded.__name__: unbounded},
        "scaling": {repr(FixedRange()): FixedRange(), min_max.__name__: min_max},
    }
    chosen: dict[str, Any] = {}
    for field, known in choices.items():
        if (said := description.get(field)) not in known:
            raise ValueError(
                f"{name} was prepared with {field} {said}, which the package does not have; it has {', '.join(known)}"
            )
        chosen[field] = known[said]
    return Settings(**chosen, face_size=int(description["face_size"]), flow_size=int(description["flow_size"]))


def _flows() -> dict[str, Callable[..., Any]]:
    known: dict[str, Callable[..., Any]] = {flow.tvl1.__name__: flow.tvl1}
    for module in MODULES:
        try:
            found = import_module(module)
        except ModuleNotFoundError:
            continue
        known |= {name: value for name, value in vars(found).items() if name.startswith("tvl1") and callable(value)}
    return known
