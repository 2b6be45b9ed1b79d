"""Recognise micro-expressions, cross-validated: ``python -m experiments.mer --protocol=kfold --folds=5``.

On a fresh machine this renders the synthetic database, pretrains the AU module, trains every fold, and writes a run
folder with a report. docs/mer.md says what the options, files and numbers mean.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console

from data.dataset import Dataset
from experiments.fed import detector_source
from experiments.inputs.databases import loaded
from experiments.inputs.detectors import check_detector, refuse_replaced
from experiments.inputs.mer_settings import PRESETS, MerSettings, check
from experiments.inputs.prior_axis import keep_priors, named_rows
from experiments.results import mer_results
from experiments.run import commandline, starting
from experiments.run import networks as kept_networks
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages, progress
from experiments.training import chunks, trials
from experiments.training.example_store import ExampleStore, on_features, with_copies
from experiments.training.pretraining import nothing
from experiments.training.recognition import Context, Recognition, on_frozen_features, whole_network
from fedpsyau_jax.options import parsed
from fedpsyau_jax.splits.folds import Fold, cautions
from fedpsyau_jax.types import ClientState

AU_TITLES = {"frozen": "frozen AU module", "finetuned": "fine-tuned AU module", "scratch": "AU module from scratch"}


@dataclass(frozen=True)
class Options:
    """Recognise micro-expressions, cross-validated by subject.

    Attributes:
      settings: What is run.
      preset: Defaults of the options: quick (minutes on two cores) or paper (30 epochs, 10 folds, fine-tuned).
      output: Folder for the results; it must not exist. By default runs/mer-DATE-TIME.
      resume: Go on with an interrupted run in this folder, with its settings.
      data_dir: Folder of the databases; by default TFDS_DATA_DIR, else tfds's own.
      manual_dir: Your copy of a real database; needed the first time only.
    """

    settings: Annotated[MerSettings, tyro.conf.arg(name="")] = field(default_factory=MerSettings)
    preset: Literal["quick", "paper"] = "quick"
    output: Path | None = None
    resume: Path | None = None
    data_dir: Path | None = None
    manual_dir: Path | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
      Exit status: 0, or 130 after Ctrl-C.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    preset = commandline.preset_of(arguments, list(PRESETS))
    options = parsed(Options, arguments, default=Options(PRESETS[preset]), prog="python -m experiments.mer")
    new = options.resume is None
    if options.resume is None:
        settings = options.settings
        check(settings)
        if settings.au_init is not None:
            check_detector(Path(settings.au_init), settings.network, frozen=settings.au == "frozen")
    else:
        changed = options.settings != PRESETS[preset] or options.output is not None or preset != "quick"
        folder = starting.resumed(options.resume, with_settings=changed)
        settings = read_settings(folder)
    commandline.cache_compilations()
    if new:
        folder = starting.started("mer", arguments, asdict(settings), options.output)
    with starting.gone_unless_begun(folder, new=new):
        return run(settings, folder, options.data_dir, options.manual_dir)


def run(settings: MerSettings, folder: RunFolder, data_dir: Path | None, manual_dir: Path | None) -> int:
    """Train what the settings say, or the rest of it, into a run folder."""
    console = Console()
    refuse_replaced(folder, settings.au_init, settings.network)
    with progress() as stages:
        dataset = loaded(settings, data_dir, manual_dir, stages)
        repeats = trials.folds(settings, dataset)
        warn(repeats, dataset, console)
        priors = settings.network.prior
        titles = named_rows([AU_TITLES[settings.au]], priors)
        chosen = trials.trials(repeats, dataset, list(zip(titles, priors, strict=True)))
        pretrained = au_modules(settings, chosen, dataset, data_dir, stages)
        mer_results.begin(folder, dataset, repeats)
        keep_priors(folder, "mer", [(trial.algorithm, trial.priors) for trial in chosen])
        examples, probabilities = with_copies(settings, dataset), None
        if settings.au == "frozen":
            chosen, detectors = trials.seen_through(chosen, pretrained)
            examples, probabilities = on_features(settings, examples, detectors, len(dataset.clip), stages)
        else:
            chosen = trials.starting_from_own(chosen, len(priors))
        recognition = recognised(settings, dataset, pretrained, examples, chosen[0])
        training = chunks.Training("folds", settings, recognition, examples, chosen, folder)
        finished = chunks.train(training, stages)
    if len(finished) < len(chosen):
        console.print(f"{len(finished)} of {len(chosen)} folds are trained; go on with --resume={folder.path}")
        return commandline.INTERRUPTED
    scores = mer_results.conclude(folder, dataset, finished, probabilities)
    mer_results.show(scores, folder, console, synthetic=dataset.synthetic)
    if settings.keep_networks:
        place, size = folder.path / kept_networks.FOLDER, kept_networks.megabytes(folder)
        console.print(f"Networks of all folds, {size:.0f} MB, for experiments.explain: {place}", soft_wrap=True)
    return 0


def warn(repeats: Sequence[Sequence[Fold]], dataset: Dataset, console: Console) -> None:
    """Say which classes some fold cannot learn."""
    labels = np.asarray(dataset.examples.emotion)
    for sentence in dict.fromkeys(
        s for f in repeats for s in cautions(f, dataset.subject, labels, dataset.class_names)
    ):
        console.print(f"Warning: {sentence}", style="yellow", highlight=False)


def au_modules(
    settings: MerSettings,
    chosen: Sequence[trials.Trial],
    dataset: Dataset,
    data_dir: Path | None,
    stages: Stages,
) -> list[ClientState]:
    """[priors] the pretrained AU module to start from, once it is known that nothing leaks; none from scratch.

    Raises:
      ValueError: a leak; or --au-init is no checkpoint of this network.
    """
    if settings.au == "scratch":
        trials.refuse_leaking(chosen, dataset, ())
        return []
    source = detector_source(settings, data_dir, stages)
    trials.refuse_leaking(chosen, dataset, source.subjects)
    return [source.weights(name, nothing) for name in settings.network.prior]


def recognised(
    settings: MerSettings,
    dataset: Dataset,
    pretrained: Sequence[ClientState],
    examples: ExampleStore,
    like: trials.Trial,
) -> Recognition:
    """What is trained in each fold."""
    context = Context(examples.store, like.priors, jnp.float32(0))
    if settings.au == "frozen":
        return on_frozen_features(settings, len(dataset.class_names), context)
    return whole_network(settings, len(dataset.class_names), pretrained, context)


def read_settings(folder: RunFolder) -> MerSettings:
    """The settings of an earlier run.

    Raises:
      ValueError: the folder is not one of this experiment, or of another version of it.
    """
    return starting.read_settings(folder, "mer", lambda values: MerSettings(**values), check)


if __name__ == "__main__":
    commandline.exit_with(main)
