"""Pretrain the AU detector: ``python -m experiments.pretrain --databases disfa --manual-dir disfa=DIR``.

AU detection with both heads, masked BCE, on some databases together; whole subjects are kept apart for validation.
``--databases synthetic`` needs no copy of anything. docs/pretrain.md says more.
"""

from experiments.inputs.checks import check_pretrain
from experiments.inputs.settings import PretrainSettings
from experiments.run.lifecycle import Command, Run, exit_with, main

PRETRAIN = Command(
    "pretrain",
    {"default": PretrainSettings()},
    check_pretrain,
    "Pretrain AU detectors on databases with action units.",
    several_databases=True,
)


def run(settings: PretrainSettings, run: Run) -> int:
    """Train what the settings say, or the rest of it; returns the exit status."""
    from experiments.detection import run_detection

    return run_detection(settings, run)


if __name__ == "__main__":
    exit_with(lambda arguments: main(PRETRAIN, arguments, run))
