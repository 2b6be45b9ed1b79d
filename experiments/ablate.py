"""Ablate the network and its priors: ``python -m experiments.ablate``.

The five variants of the network, each with several priors, cross-validated on the same folds with the same random
numbers. One program a variant: priors, folds and repeats are one axis of it. docs/ablate.md says more.
"""

from collections.abc import Sequence

from experiments.inputs.checks import check_ablate
from experiments.inputs.presets import ABLATE_PRESETS
from experiments.inputs.settings import AblateSettings
from experiments.run import lifecycle
from experiments.run.lifecycle import Command, Run

ABLATE = Command("ablate", ABLATE_PRESETS, check_ablate, "Ablate the network and its priors.")


def run(settings: AblateSettings, run: Run) -> int:
    """Train what the settings say, or the rest of it; returns the exit status."""
    from experiments.recognition import run_recognition

    return run_recognition(settings, run)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    return lifecycle.main(ABLATE, arguments, run)


if __name__ == "__main__":
    lifecycle.exit_with(main)
