"""How trained networks use their prior: ``python -m experiments.explain RUN``.

Shows learned attention beside the prior for each emotion, and UF1 at other prior ratios, for a run of experiments.fed,
mer or ablate. Nothing is trained. Attention is the weight that one node gives to another; it does not explain why a
network decides as it does. docs/explain.md describes files and figures.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from experiments.inputs.ranges import SHARE, check_ranges
from experiments.run import folder as run_folder
from experiments.run import lifecycle
from fedpsyau_jax.options import parsed


@dataclass(frozen=True)
class ExplainSettings:
    """What is shown.

    Attributes:
      ratios: Prior ratios at which the networks are tested, in [0, 1]; that of the run is always added.
    """

    ratios: tuple[Annotated[float, SHARE], ...] = tuple(number / 10 for number in range(11))


@dataclass(frozen=True)
class Options:
    """Show how the networks of a run of fed, mer or ablate use their prior: attention, and UF1 by prior ratio.

    Attention is reported as attention, not as the cause of a decision.

    Attributes:
      run: Folder of a finished run.
      settings: What is shown.
      output: Folder for the results; it must not exist. By default RUN/explain.
      data_dir: Folder of the run's data; by default TFDS_DATA_DIR, else tfds's own.
    """

    run: tyro.conf.Positional[Path]
    settings: Annotated[ExplainSettings, tyro.conf.arg(name="")] = field(default_factory=ExplainSettings)
    output: Path | None = None
    data_dir: Path | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
      Exit status: 0.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.explain")
    check_ranges(options.settings)
    earlier = run_folder.existing(options.run)
    from experiments.explanation import check, explain

    check(earlier)
    lifecycle.cache_compilations()
    output = options.output or earlier.path / "explain"
    with lifecycle.whole_or_nothing("explain", arguments, asdict(options.settings), output) as folder:
        explain(earlier, options.settings.ratios, folder, options.data_dir)
    return 0


if __name__ == "__main__":
    lifecycle.exit_with(main)
