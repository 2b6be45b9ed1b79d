"""The databases by name: their configurations, and the folder layout of a copy of each."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.survey import Layout

DATABASES: Mapping[str, tuple[str, ...]] = {
    "synthetic": ("federated", "pretraining"),
    "casme3": ("part_a", "part_c"),
    "dfme": ("all", "A", "B", "C", "challenge"),
    "casme2": ("all",),
    "samm": ("all",),
    "smic": ("hs", "cropped", "raw", "e_hs"),
    "mmew": ("all",),
    "disfa": ("all",),
    "ckplus": ("all",),
}
LABS = "labs-"
"""Start of the names of synthetic configurations that are made when they are asked for."""
REAL = tuple(name for name in DATABASES if name != "synthetic")


def check_known(name: str, config: str | None) -> str:
    """The configuration asked for, or a database's first.

    Raises:
        ValueError: no such database or configuration; lists those there are.
    """
    if name == "synthetic" and config and config.startswith(LABS):
        from fedpsyau_jax.synthesis.labs import labs_named

        return labs_named(config).name
    configs = DATABASES.get(name, ())
    if not configs or config not in (None, *configs):
        known = ", ".join(f"{database}/{one}" for database, all_of in DATABASES.items() for one in all_of)
        known += f", synthetic/{LABS}NUMBER-STRENGTH"
        raise ValueError(
            f"no database {name}/{config}; there are {known}" if config else f"no database {name}; {known}"
        )
    return config or configs[0]


def layout_of(name: str) -> "Layout":
    """The folder layout of a real database."""
    return import_module(f"data.{name}.layout").LAYOUT
