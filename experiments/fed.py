"""Compare federated algorithms: ``python -m experiments.fed --clients=5``.

On a fresh machine this renders the synthetic database, pretrains the AU detector, trains all algorithms in all repeats,
and writes a run folder with a report. docs/fed.md describes options, protocol and scores.
"""

from collections.abc import Sequence

from experiments.inputs.checks import check_fed
from experiments.inputs.completion import complete_fed
from experiments.inputs.presets import FED_PRESETS
from experiments.inputs.settings import FedSettings
from experiments.run import lifecycle
from experiments.run.lifecycle import Command, Run

FED = Command(
    "fed",
    FED_PRESETS,
    check_fed,
    "Compare federated algorithms on micro-expression recognition.",
    "Defaults of the options: quick (minutes on two cores), paper (40 rounds of 50 epochs, 10 repeats) or released "
    "(the federation of the released code: casme2, samm and casme3).",
    complete_fed,
)


def run(settings: FedSettings, run: Run) -> int:
    """Train and score, or resume; returns the exit status."""
    from experiments.recognition import run_recognition

    return run_recognition(settings, run)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    return lifecycle.main(FED, arguments, run)


if __name__ == "__main__":
    lifecycle.exit_with(main)
