"""Pretrain the AU detector: ``python -m experiments.pretrain --databases disfa --manual-dir disfa=DIR``.

Trains both heads with masked binary cross-entropy, on one or several databases together, and validates on held-out
subjects. ``--databases synthetic`` needs no copy of a database. See docs/pretrain.md.
"""

from collections.abc import Sequence

from experiments.inputs.checks import check_pretrain
from experiments.inputs.presets import PRETRAIN_PRESETS
from experiments.inputs.settings import PretrainSettings
from experiments.run import lifecycle
from experiments.run.lifecycle import Command, Run

PRETRAIN = Command(
    "pretrain",
    PRETRAIN_PRESETS,
    check_pretrain,
    "Pretrain AU detectors on databases with action units.",
)


def run(settings: PretrainSettings, run: Run) -> int:
    """Train and score, or resume; returns the exit status."""
    from experiments.detection import run_detection

    return run_detection(settings, run)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    return lifecycle.main(PRETRAIN, arguments, run)


if __name__ == "__main__":
    lifecycle.exit_with(main)
