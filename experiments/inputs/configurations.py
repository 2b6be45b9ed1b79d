"""Configurations of databases, from ``--config``: that of a single database, or ``name=CONFIGURATION`` for several."""

from collections.abc import Sequence

from data.databases import check_known
from experiments.inputs.plugins import is_plugin


def configurations_by_name(config: str | None, databases: Sequence[str]) -> dict[str, str]:
    """The configuration of each database that has not its first.

    Args:
      config: value of ``--config``.
      databases: names, as on the command line.

    Raises:
      ValueError: a part of several is not name=CONFIGURATION, or names another database or one twice, or there is no
        such configuration.

    >>> configurations_by_name("B", ["dfme"]), configurations_by_name("smic=e_hs,dfme=B", ["dfme", "smic", "samm"])
    ({'dfme': 'B'}, {'smic': 'e_hs', 'dfme': 'B'})
    """
    chosen: dict[str, str] = {}
    for text in config.split(",") if config else []:
        name, equals, value = text.partition("=") if len(databases) > 1 else (databases[0], "=", text)
        if not equals or not value or name in chosen or name not in databases:
            raise ValueError(
                f"--config={config}: of several databases write name=CONFIGURATION, each once, for example "
                f"{databases[0]}=all; the databases are {', '.join(databases)}"
            )
        if is_plugin(name) or name == "synthetic":
            raise ValueError(f"--config={config}: the database {name} has none to choose; leave it out")
        check_known(name, value)
        chosen[name] = value
    return chosen
