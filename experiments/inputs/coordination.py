"""Settings of the test of coordination, and the annotations that they name."""

from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from experiments.inputs.prior_names import check_prior_names
from experiments.inputs.ranges import COUNT, PROPER_SHARE, SEED, check_ranges
from experiments.run.progress import Stages

if TYPE_CHECKING:
    from experiments.inputs.annotations import Source

NUM_AUS = 12
"""Action units of the network."""


@dataclass(frozen=True)
class CoordinationSettings:
    """Settings of ``coordination``.

    Attributes:
      database: Database: synthetic, casme3, dfme, casme2, samm, mmew, disfa, ckplus, or your own as module:function;
        with --table, the database that the table belongs to (by default detected).
      table: Annotation table, Excel or CSV: a database's own, or one with columns subject, AU1, AU2, ... of 0, 1 or
        nothing where an AU is not labelled.
      level: False-discovery rate at which pairs are found.
      permutations: Permutations within subjects for each p-value.
      seed: Seed of the permutations.
      prior: Priors whose topologies are compared with the pairs found: published, co-occurrence, uniform, shuffled,
        none, or your own as module:function; a function is given the table of annotations.
    """

    database: str | None = None
    table: Path | None = None
    level: Annotated[float, PROPER_SHARE] = 0.05
    permutations: Annotated[int, COUNT] = 9999
    seed: Annotated[int, SEED] = 0
    prior: tuple[str, ...] = ("published",)


def check(settings: CoordinationSettings) -> None:
    """Refuse settings that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    if settings.table is None and settings.database is None:
        raise ValueError("name the annotations: --database NAME, or --table FILE")
    check_ranges(settings)
    check_permutations(settings, NUM_AUS)
    check_prior_names(settings.prior)


def check_permutations(settings: CoordinationSettings, num_aus: int) -> None:
    """Refuse so few permutations that no pair of these AUs could be found.

    Raises:
      ValueError: how many are needed.
    """
    num_pairs = num_aus * (num_aus - 1) // 2
    if (least := ceil(num_pairs / settings.level) - 1) > settings.permutations:
        raise ValueError(
            f"--permutations={settings.permutations}: a p of 1 / {settings.permutations + 1} is too coarse for "
            f"{num_pairs} pairs at --level={settings.level}; give at least {least}"
        )


def check_source(source: "Source", settings: CoordinationSettings) -> None:
    """Refuse annotations in which no pair can be tested.

    Raises:
      ValueError: what is missing in them or in the settings.
    """
    check_permutations(settings, len(source.table.action_units))
    if not source.table.mask.any():
        raise ValueError(f"{source.facts['name']}: no clip has labelled action units, so there is nothing to test")


def source_of(
    settings: CoordinationSettings, data_dir: Path | None, manual_dir: Path | None, stages: Stages
) -> "Source":
    """The annotations of the table, or else of the database.

    Raises:
      ValueError, OSError: they cannot be loaded.
    """
    from experiments.inputs.annotations import of_database, of_table

    if settings.table:
        return of_table(settings.table, settings.database)
    return of_database(str(settings.database), data_dir, manual_dir, progress=stages.track)


def as_json(settings: CoordinationSettings) -> dict[str, Any]:
    """The settings as config.json holds them."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(settings).items()}
