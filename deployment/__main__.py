"""One name for the commands: ``python -m deployment site ...`` is ``python -m deployment.site ...``."""

import importlib
import sys

from experiments.run.mistakes import exit_status
from fedpsyau_jax.options import did_you_mean

COMMANDS = ("server", "site", "keys")


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        raise ValueError(f"'{name}' is no command: {did_you_mean(name, COMMANDS)}choose {', '.join(COMMANDS)}")
    status: int = importlib.import_module(f"deployment.{name}").main(arguments[1:])
    return status


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1:])))
