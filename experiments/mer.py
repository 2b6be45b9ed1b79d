"""Recognise micro-expressions, cross-validated: ``python -m experiments.mer --protocol=kfold --folds=5``.

On a fresh machine this renders the synthetic database, pretrains the AU module, trains every fold, and writes a run
folder with a report. docs/mer.md says what the options, files and numbers mean.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
import tyro
from rich.console import Console

from data.dataset import Dataset
from experiments import chunks, commandline, mer_results, starting, trials
from experiments.detectors import check_detector, detector_from, detector_priors, detector_subjects, refuse_replaced
from experiments.example_store import ExampleStore, on_features, with_copies
from experiments.loading import loaded, loaded_for_pretraining
from experiments.mer_settings import PRESETS, MerSettings, check
from experiments.pretraining import pretrained_detector
from experiments.progress import Stages, progress
from experiments.recognition import Context, Recognition, on_frozen_features, whole_network
from experiments.runfolder import RunFolder
from experiments.tasks import Detector
from fedpsyau_jax.folds import Fold, cautions

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


class AUModule(NamedTuple):
    """A pretrained AU detector (None: trained from scratch), and who it was trained on."""

    detector: Detector | None
    subjects: Sequence[str]


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
      Exit status: 0, or 130 after Ctrl-C.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    preset = commandline.preset_of(arguments, list(PRESETS))
    options = tyro.cli(Options, args=arguments, default=Options(PRESETS[preset]), prog="python -m experiments.mer")
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
        chosen = trials.trials(repeats, dataset, [(AU_TITLES[settings.au], settings.network.prior[0])])
        module = au_module(settings, chosen, dataset, data_dir, stages)
        mer_results.begin(folder, dataset, repeats)
        examples = with_copies(settings, dataset)
        probabilities = None
        if settings.au == "frozen" and module.detector is not None:
            examples, probabilities = on_features(settings, examples, module.detector, len(dataset.clip), stages)
        recognition = recognised(settings, dataset, module.detector, examples, chosen[0])
        training = chunks.Training("folds", settings, recognition, examples, chosen, folder)
        finished = chunks.train(training, stages)
    if len(finished) < len(chosen):
        console.print(f"{len(finished)} of {len(chosen)} folds are trained; go on with --resume={folder.path}")
        return commandline.INTERRUPTED
    scores = mer_results.conclude(folder, dataset, finished, probabilities)
    mer_results.show(scores, folder, console, synthetic=dataset.synthetic)
    return 0


def warn(repeats: Sequence[Sequence[Fold]], dataset: Dataset, console: Console) -> None:
    """Say which classes some fold cannot learn."""
    labels = np.asarray(dataset.examples.emotion)
    for sentence in dict.fromkeys(
        s for f in repeats for s in cautions(f, dataset.subject, labels, dataset.class_names)
    ):
        console.print(f"Warning: {sentence}", style="yellow", highlight=False)


def au_module(
    settings: MerSettings,
    chosen: Sequence[trials.Trial],
    dataset: Dataset,
    data_dir: Path | None,
    stages: Stages,
) -> AUModule:
    """The AU module to start from, once it is known that nothing leaks.

    Raises:
      ValueError: a leak; or --au-init is no checkpoint of this network.
    """
    if settings.au == "scratch":
        trials.refuse_leaking(chosen, dataset, ())
        return AUModule(None, ())
    if settings.au_init is not None:
        path = Path(settings.au_init)
        detector = Detector(detector_from(path, settings.network), detector_priors(path))
        module = AUModule(detector, detector_subjects(path, settings.database))
        trials.refuse_leaking(chosen, dataset, module.subjects)
        return module
    pretraining = loaded_for_pretraining(data_dir, stages)
    subjects = np.unique(pretraining.subject).tolist()
    trials.refuse_leaking(chosen, dataset, subjects)
    detector = pretrained_detector(settings.network, settings.pretraining, settings.seed, pretraining, data_dir, stages)
    return AUModule(detector, subjects)


def recognised(
    settings: MerSettings,
    dataset: Dataset,
    detector: Detector | None,
    examples: ExampleStore,
    like: trials.Trial,
) -> Recognition:
    """What is trained in each fold."""
    context = Context(examples.store, like.priors, jnp.float32(0))
    if settings.au == "frozen":
        return on_frozen_features(settings, len(dataset.class_names), context)
    return whole_network(settings, len(dataset.class_names), detector and detector.client, context)


def read_settings(folder: RunFolder) -> MerSettings:
    """The settings of an earlier run.

    Raises:
      ValueError: the folder is not one of this experiment, or of another version of it.
    """
    return starting.read_settings(folder, "mer", lambda values: MerSettings(**values))


if __name__ == "__main__":
    commandline.exit_with(main)
