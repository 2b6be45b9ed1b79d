"""Recognise micro-expressions, cross-validated: ``python -m experiments.mer --protocol=kfold --folds=5``.

On a fresh machine this renders the synthetic database, pretrains the AU module, trains every fold, and writes a run
folder with a report. docs/mer.md describes options, protocol and scores.
"""

from collections.abc import Sequence

from experiments.inputs.checks import check_mer
from experiments.inputs.completion import complete_cross_validation
from experiments.inputs.presets import MER_PRESETS
from experiments.inputs.settings import MerSettings
from experiments.run import lifecycle
from experiments.run.lifecycle import Command, Run

MER = Command(
    "mer",
    MER_PRESETS,
    check_mer,
    "Recognise micro-expressions, cross-validated by subject.",
    "Defaults of the options: quick (minutes on two cores) or paper (30 epochs, 10 folds, fine-tuned).",
    complete_cross_validation,
)


def run(settings: MerSettings, run: Run) -> int:
    """Train and score, or resume; returns the exit status."""
    from experiments.recognition import run_recognition

    return run_recognition(settings, run)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    return lifecycle.main(MER, arguments, run)


if __name__ == "__main__":
    lifecycle.exit_with(main)
