"""Ablate the network and its priors: ``python -m experiments.ablate``.

It cross-validates the five variants of the network, each with several priors, on the same folds with the same random
numbers, in one program per variant. See docs/ablate.md.
"""

from collections.abc import Sequence

from experiments.inputs.checks import check_ablate
from experiments.inputs.completion import complete_cross_validation
from experiments.inputs.presets import ABLATE_PRESETS
from experiments.inputs.settings import AblateSettings
from experiments.run import lifecycle
from experiments.run.lifecycle import Command, Run

ABLATE = Command(
    "ablate",
    ABLATE_PRESETS,
    check_ablate,
    "Ablate the network and its priors.",
    complete=complete_cross_validation,
)


def run(settings: AblateSettings, run: Run) -> int:
    """Train and score, or resume; returns the exit status."""
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
