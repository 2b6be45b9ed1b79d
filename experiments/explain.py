"""What networks made of their prior: ``python -m experiments.explain RUN``.

Learned against prior attention for each emotion, and UF1 at other prior ratios, of a run of experiments.fed or mer.
Nothing is trained. Attention is how much a node takes from another one; it is no explanation of why a network decides
as it does. docs/explain.md says what the files and figures mean.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import jax
import numpy as np
import tyro
from rich.console import Console

from experiments.pages import explain as explain_page
from experiments.results import attention as explain_tables
from experiments.run import commandline, starting
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages, progress
from experiments.training import trained_federations, trained_folds
from experiments.training.reevaluation import Reevaluated, reevaluation
from experiments.training.trained_networks import TrainedRun
from fedpsyau_jax.options import parsed

MOST_DIFFERENT = 0.01
"""Largest difference of a probability between a run and its repetition that rounding can explain."""


class Reader(NamedTuple):
    """How the networks of the runs of one experiment are read; each raises a ValueError that says what is wrong.

    ``check(folder)``: whether a run can be looked into at all; ``read(folder, data_dir, stages)``: the run.
    """

    check: Callable[[RunFolder], object]
    read: Callable[[RunFolder, Path | None, Stages], TrainedRun]


READERS = {
    "fed": Reader(trained_federations.settings_of, trained_federations.read_run),
    "mer": Reader(trained_folds.settings_of, trained_folds.read_run),
}
"""The experiments whose networks stay in their folders."""


@dataclass(frozen=True)
class ExplainSettings:
    """What is shown.

    Attributes:
      ratios: Prior ratios at which the networks are tested again, in [0, 1]; that of the run is always among them.
    """

    ratios: tuple[float, ...] = tuple(number / 10 for number in range(11))


@dataclass(frozen=True)
class Options:
    """Show what the networks of a run of experiments.fed or mer made of their prior: attention, and UF1 by prior ratio.

    Attention is reported as attention, not as an explanation of what causes a decision.

    Attributes:
      run: Folder of the run; of experiments.mer a finished one.
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
    reader = reader_of(earlier)
    reader.check(earlier)
    commandline.cache_compilations()
    output = options.output or earlier.path / "explain"
    folder = starting.started("explain", arguments, asdict(options.settings), output, resumable=False)
    try:
        explain(reader, earlier, options.settings.ratios, folder, options.data_dir)
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


def reader_of(folder: RunFolder) -> Reader:
    """How to read the networks of a run.

    Raises:
      ValueError: it is of an experiment that keeps none.
    """
    config = folder.read_json("config.json")
    name = config.get("experiment") if isinstance(config, dict) else None
    if name not in READERS:
        raise ValueError(
            f"{folder.path} is a run of experiments.{name}, and attention is read from the networks of runs of "
            f"{' and '.join(READERS)}: give one of these"
        )
    return READERS[name]


def explain(
    reader: Reader, earlier: RunFolder, ratios: Sequence[float], folder: RunFolder, data_dir: Path | None
) -> None:
    """Test the networks of a run again at these prior ratios, and write what comes out."""
    with progress() as stages:
        with stages.stage("reading the run"):
            run = reader.read(earlier, data_dir, stages)
        wanted = sorted({*map(float, ratios), run.ratio})
        found = dict(zip(wanted, retested(run, wanted, stages), strict=True))
    console = Console()
    for sentence in run.passed_over:
        console.print(f"Warning: {sentence}; round {run.progress.done} is shown.", style="yellow", highlight=False)
    difference = refuse_others(run, found[run.ratio])
    folder.write_table("sensitivity.csv", explain_tables.sensitivity(run, found))
    folder.write_table("attention.csv", explain_tables.attention(run, found[run.ratio]))
    folder.write_json("data.json", explain_tables.facts(run, difference))
    folder.write_json("environment.json", runfolder.environment())
    page = explain_page.write(folder)
    console.print(explain_page.terminal_table(explain_page.read(folder)))
    console.print(f"Attention is not an explanation of cause. Page: {page}", soft_wrap=True, highlight=False)


def retested(run: TrainedRun, ratios: Sequence[float], stages: Stages) -> list[list[Reevaluated]]:
    """What each group of networks does at each of these prior ratios; the first takes longest, as it compiles."""
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
    emotions, _ = explain_tables.predictions(run, again)
    columns = [f"p_{name}" for name in run.dataset.class_names]
    difference = float(np.abs(emotions[columns].to_numpy() - run.before[columns].to_numpy()).max())
    if not difference <= MOST_DIFFERENT:
        how = "some are undefined" if np.isnan(difference) else f"a probability differs by {difference:.2g}"
        raise ValueError(
            f"the networks of {run.folder.path} do not give its predictions any more: {how}; use the versions and the "
            "kind of device of its environment.json, and the same prior"
        )
    return difference


if __name__ == "__main__":
    commandline.exit_with(main)
