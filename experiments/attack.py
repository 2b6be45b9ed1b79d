"""What the weights of a run of experiments.fed give away: ``python -m experiments.attack RUN --membership``.

Who was trained on; or, with ``--inversion``, pictures from updates. docs/attacks.md says for whom each number stands.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from experiments.inputs.ranges import COUNT, Range, check_ranges
from experiments.run import folder as run_folder
from experiments.run import lifecycle
from fedpsyau_jax.options import parsed

PAIRS = Range("an even number of at least 6: they come in pairs", lambda value: value >= 6 and value % 2 == 0)


@dataclass(frozen=True)
class AttackSettings:
    """How a federation is attacked.

    Attributes:
      membership: Tell who was trained on: attack shadow federations that leave out half of the people.
      inversion: Make pictures from the updates that clients send in the first round.
      steps: Steps of each inversion.
      shadows: How many shadow federations are trained; more find more, and smaller rates of false positives.
    """

    membership: bool = False
    inversion: bool = False
    steps: Annotated[int, COUNT] = 300
    shadows: Annotated[int, PAIRS] = 16


@dataclass(frozen=True)
class Options:
    """Measure what the weights of a run of fed give away about the people that it trained on.

    Attributes:
      run: Folder of a finished run of experiments.fed.
      settings: How it is attacked.
      output: Folder for the results; it must not exist. By default RUN/membership or RUN/inversion.
      data_dir: Folder of the run's data; by default TFDS_DATA_DIR, else tfds's own.
    """

    run: tyro.conf.Positional[Path]
    settings: Annotated[AttackSettings, tyro.conf.arg(name="")] = field(default_factory=AttackSettings)
    output: Path | None = None
    data_dir: Path | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status, 0. A ValueError or OSError is the user's mistake, in one sentence."""
    options = parsed(Options, arguments, prog="python -m experiments.attack")
    check_ranges(settings := options.settings)
    if settings.membership == settings.inversion:
        raise ValueError("give one attack: --membership or --inversion")
    earlier = run_folder.existing(options.run)
    from experiments.attacks import check, invert_updates, tell_members

    check(earlier)
    lifecycle.cache_compilations()
    attack, number = (tell_members, settings.shadows) if settings.membership else (invert_updates, settings.steps)
    output = options.output or earlier.path / ("membership" if settings.membership else "inversion")
    with lifecycle.whole_or_nothing("attack", arguments, asdict(settings), output) as folder:
        attack(earlier, number, folder, options.data_dir)
    return 0


if __name__ == "__main__":
    lifecycle.exit_with(main)
