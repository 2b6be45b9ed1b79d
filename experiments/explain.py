"""What networks made of their prior: ``python -m experiments.explain RUN``.

Learned against prior attention for each emotion, and UF1 at other prior ratios, of a run of experiments.fed. Nothing is
trained. Attention is how much a node takes from another one; it is no explanation of why a network decides as it does.
docs/explain.md says what the files and figures mean.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro
from rich.console import Console
from scipy.special import softmax

from experiments import commandline, explain_page, explain_tables, runfolder, starting
from experiments.progress import Stages, progress
from experiments.reevaluation import Reevaluated, reevaluation
from experiments.runfolder import RunFolder
from experiments.trained_networks import TrainedRun, read_run, settings_of
from fedpsyau_jax.options import parsed

MOST_DIFFERENT = 0.01
"""Largest difference of a probability between a run and its repetition that rounding can explain."""


@dataclass(frozen=True)
class ExplainSettings:
    """What is shown.

    Attributes:
      ratios: Prior ratios at which the networks are tested again, in [0, 1]; that of the run is always among them.
    """

    ratios: tuple[float, ...] = tuple(number / 10 for number in range(11))


@dataclass(frozen=True)
class Options:
    """Show what the networks of a run of experiments.fed made of their prior: attention, and UF1 by prior ratio.

    Attention is reported as attention, not as an explanation of what causes a decision.

    Attributes:
      run: Folder of the run, finished or not.
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
    check(options.settings)
    earlier = runfolder.existing(options.run)
    settings_of(earlier)
    commandline.cache_compilations()
    output = options.output or earlier.path / "explain"
    folder = starting.started("explain", arguments, asdict(options.settings), output, resumable=False)
    try:
        explain(earlier, options.settings.ratios, folder, options.data_dir)
    except BaseException:
        shutil.rmtree(folder.path)  # nothing half done is kept
        raise
    return 0


def check(settings: ExplainSettings) -> None:
    """Refuse ratios that are none.

    Raises:
      ValueError: which, and what is allowed.
    """
    for ratio in settings.ratios:
        if not 0 <= ratio <= 1:
            raise ValueError(f"--ratios: {ratio} is not between 0 and 1")


def explain(earlier: RunFolder, ratios: Sequence[float], folder: RunFolder, data_dir: Path | None) -> None:
    """Test the networks of a run again at these prior ratios, and write what comes out."""
    with progress() as stages:
        with stages.stage("reading the run"):
            run = read_run(earlier, data_dir, stages)
        own = run.settings.network.prior_ratio
        wanted = sorted({*map(float, ratios), own})
        found = dict(zip(wanted, retested(run, wanted, stages), strict=True))
    console = Console()
    for sentence in run.passed_over:
        console.print(f"Warning: {sentence}; round {run.rounds} is shown.", style="yellow", highlight=False)
    difference = refuse_others(run, found[own])
    folder.write_table("sensitivity.csv", explain_tables.sensitivity(run, found))
    folder.write_table("attention.csv", explain_tables.attention(run, found[own]))
    folder.write_json("data.json", explain_tables.facts(run, difference))
    folder.write_json("environment.json", runfolder.environment())
    page = explain_page.write(folder)
    console.print(explain_page.terminal_table(explain_page.read(folder)))
    console.print(f"Attention is not an explanation of cause. Page: {page}", soft_wrap=True, highlight=False)


def retested(run: TrainedRun, ratios: Sequence[float], stages: Stages) -> list[list[Reevaluated]]:
    """What each federation's networks do at each of these prior ratios; the first takes longest, as it compiles."""
    program = reevaluation(run)
    with stages.stage("testing again", total=len(ratios), unit="ratio") as stage:
        found = []
        for ratio in ratios:
            found.append(jax.device_get(program(ratio)))
            stage.advance()
    return found


def refuse_others(run: TrainedRun, again: Sequence[Reevaluated]) -> float:
    """See that the networks give the run's own predictions at the run's own ratio.

    Returns:
      The largest difference of a probability; what rounding leaves.

    Raises:
      ValueError: they do not, so that they, their detector or their prior are not those of the run.
    """
    pairs = zip(run.evaluations, again, strict=True)
    difference = float(
        np.max(
            [
                np.abs(softmax(before["emotion"], axis=-1) - softmax(now.evaluation["emotion"], axis=-1)).max()
                for before, now in pairs
            ]
        )
    )
    if not difference <= MOST_DIFFERENT:
        how = "some are undefined" if np.isnan(difference) else f"a probability differs by {difference:.2g}"
        raise ValueError(
            f"the networks of {run.folder.path} do not give its predictions any more: {how}; use the versions and the "
            "kind of device of its environment.json, and the same prior"
        )
    return difference


if __name__ == "__main__":
    commandline.exit_with(main)
