"""Which database a command works on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from experiments.own_code import near

DatabaseName = Literal["synthetic", "casme3", "dfme", "casme2", "samm"]
CLASSES: Mapping[str, int] = {"synthetic": 7, "casme3": 3, "dfme": 7, "casme2": 3, "samm": 3}
"""Emotion classes of a database, unless told otherwise: those of its published protocols."""


@dataclass(frozen=True)
class DatabaseChoice:
    """What emotions are recognised in.

    Attributes:
      database: Which data: ``synthetic`` is rendered on first use; the others are made from your copy; or your own as
        module:function.
      config: Configuration of the database; dfme has all, A, B, C and challenge, casme3 has part_a and part_c.
      classes: Emotion classes: 3 (negative, positive, surprise), 4 (those and others) or 7 (of casme3 with others,
        without contempt); by default 7 for synthetic and dfme, else 3.
    """

    database: DatabaseName | str = "synthetic"
    config: str | None = None
    classes: Literal[3, 4, 7] | None = None

    @property
    def part(self) -> str | None:
        """The configuration to load; None for a database's first."""
        return "federated" if self.database == "synthetic" else self.config

    @property
    def is_own(self) -> bool:
        """Whether it is the user's own."""
        return ":" in self.database

    @property
    def num_classes(self) -> int | None:
        """Emotion classes, chosen or usual; None for those of the data."""
        return self.classes or CLASSES.get(self.database)


def check_database(settings: DatabaseChoice) -> None:
    """Refuse a database that there is not, or a configuration of one that has none.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    name = settings.database
    if not settings.is_own and name not in CLASSES:
        raise ValueError(
            f"--database={name}: {near(name, CLASSES)}there are {', '.join(CLASSES)}, and your own as module:function"
        )
    if settings.config and (settings.is_own or name == "synthetic"):
        raise ValueError(f"--config={settings.config}: the database {name} has none to choose; leave it out")
