"""Compare federated algorithms: ``python -m experiments.fed --clients=5``.

On a fresh machine this renders the synthetic database, pretrains the AU detector, trains every algorithm on every
repeat, and writes a run folder with a report. docs/fed.md says what the options, files and figures mean.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import jax
import numpy as np
import tyro
from rich.console import Console

from data.dataset import Dataset
from experiments.inputs.configs import PRESETS, FedSettings, check
from experiments.inputs.databases import loaded, loaded_for_pretraining
from experiments.inputs.detectors import (
    DetectorSource,
    check_detector,
    detector_subjects,
    detectors_from,
    refuse_replaced,
)
from experiments.inputs.mer_settings import MerSettings
from experiments.inputs.prior_axis import Fitted, fitted, keep_priors, named, places, sight
from experiments.inputs.priors import annotations_of
from experiments.run import commandline, starting
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages, progress
from experiments.training import comparison
from experiments.training.comparison import Programs
from experiments.training.detecting import detect
from experiments.training.pretraining import nothing, pretrained_detector
from experiments.training.splitting import federations, repeated_splits, warnings
from experiments.training.tasks import end_to_end, frozen, unseen
from fedpsyau_jax.options import parsed
from fedpsyau_jax.splits.clients import ClientSplit
from fedpsyau_jax.splits.leakage import Origins, refuse_leaks, together
from fedpsyau_jax.types import ClientState


@dataclass(frozen=True)
class Options:
    """Compare federated algorithms on micro-expression recognition.

    Attributes:
      settings: What is run.
      preset: Defaults of the options: quick (minutes on two cores) or paper (40 rounds of 50 epochs, 10 repeats).
      output: Folder for the results; it must not exist. By default runs/fed-DATE-TIME.
      resume: Go on with an interrupted run in this folder, with its settings.
      data_dir: Folder of the databases; by default TFDS_DATA_DIR, else tfds's own.
      manual_dir: Your copy of a real database; needed the first time only.
    """

    settings: Annotated[FedSettings, tyro.conf.arg(name="")] = field(default_factory=FedSettings)
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
    options = parsed(Options, arguments, default=Options(PRESETS[preset]), prog="python -m experiments.fed")
    new = options.resume is None
    if options.resume is None:
        settings = options.settings
        check(settings)
        if settings.au_init is not None:
            check_detector(Path(settings.au_init), settings.network, frozen=not settings.train_au)
    else:
        changed = options.settings != PRESETS[preset] or options.output is not None or preset != "quick"
        folder = starting.resumed(options.resume, with_settings=changed)
        settings = read_settings(folder)
    commandline.use_devices(settings.devices)
    commandline.cache_compilations()
    if new:
        folder = starting.started("fed", arguments, asdict(settings), options.output)
    with starting.gone_unless_begun(folder, new=new):
        return run(settings, folder, options.data_dir, options.manual_dir)


def run(settings: FedSettings, folder: RunFolder, data_dir: Path | None, manual_dir: Path | None) -> int:
    """Train what the settings say, or the rest of it, into a run folder."""
    console = Console()
    refuse_replaced(folder, settings.au_init, settings.network)
    with progress() as stages, ThreadPoolExecutor(1) as thread:
        dataset, splits, priors, source = prepared(settings, data_dir, manual_dir, stages)
        for warning in warnings(splits, dataset):
            console.print(f"Warning: {warning}", style="yellow", highlight=False)
        which = places(priors)
        experiment = comparison.Experiment(
            settings, folder, dataset, federations(settings, splits, which * len(dataset.subject))
        )

        @cache
        def compiling() -> Future[Programs]:
            """Programs over frozen detectors want only shapes of them, so they are compiled beside the pretraining."""
            return thread.submit(comparison.programs_of, experiment, unseen(settings, dataset, which.max() + 1))

        meanwhile = nothing if settings.train_au else compiling
        detectors = sight(priors, [source.weights(prior.name, meanwhile) for prior in priors]).detectors
        experiment.begin()
        keep_priors(folder, "fed", named(priors))
        with stages.stage("detecting action units"):
            detected = detect(settings, detectors, dataset.examples)
        with stages.stage("compiling (once; later starts read the cache)"):
            if settings.train_au:
                task = end_to_end(settings, dataset, detectors)
                programs = comparison.programs_of(experiment, task)
            else:
                task = frozen(settings, dataset, detected.features)
                programs = compiling().result()
        outcome = comparison.train(experiment, programs(task.store), stages)
    comparison.conclude(experiment, outcome, np.asarray(jax.nn.sigmoid(detected.logits)), console)
    if outcome.problem:
        raise ValueError(outcome.problem)
    return 0 if outcome.rounds == settings.rounds else commandline.INTERRUPTED


class Prepared(NamedTuple):
    """What is trained on, by whom, and with which priors; and where the detectors come from that see through them."""

    dataset: Dataset
    splits: list[list[ClientSplit]]
    priors: list[Fitted]
    source: DetectorSource


def prepared(settings: FedSettings, data_dir: Path | None, manual_dir: Path | None, stages: Stages) -> Prepared:
    """Load the data, divide it and compute the priors.

    Raises:
      ValueError, OSError: the data cannot be had, or something of the test examples would reach the training.
    """
    dataset = loaded(settings, data_dir, manual_dir, stages)
    splits = repeated_splits(settings, dataset)
    source = detector_source(settings, data_dir, stages)
    folds = [together(str(repeat), clients) for repeat, clients in enumerate(splits)]
    names, annotations = settings.network.prior, annotations_of(dataset)
    priors = [fitted(name, annotations, [fold.train for fold in folds]) for name in names]
    origins = Origins(
        dataset.subject,
        dataset.clip,
        np.asarray(dataset.examples.flow),
        statistics={f"the prior {prior.name}": prior.rows for prior in priors},
        pretraining_subjects=source.subjects,
        split_by_subject=settings.split == "subjects",
    )
    refuse_leaks(folds, origins, part="repeat")
    return Prepared(dataset, splits, priors, source)


def detector_source(settings: FedSettings | MerSettings, data_dir: Path | None, stages: Stages) -> DetectorSource:
    """The detectors of ``--au-init``; else those that are pretrained with each prior when asked for.

    Raises:
      ValueError, OSError: --au-init is no detector of this network, or the pretraining data cannot be had.
    """
    if settings.au_init is not None:
        path = Path(settings.au_init)
        given = detectors_from(path, settings.network)
        return DetectorSource(detector_subjects(path, settings.database), lambda prior, _: given[prior])
    dataset = loaded_for_pretraining(data_dir, stages)

    def pretrained(prior: str, meanwhile: Callable[[], object]) -> ClientState:
        network = replace(settings.network, prior=(prior,))
        recipe = network, settings.pretraining, settings.seed
        return pretrained_detector(*recipe, dataset, data_dir, stages, meanwhile).client

    return DetectorSource(np.unique(dataset.subject).tolist(), pretrained)


def read_settings(folder: RunFolder) -> FedSettings:
    """The settings of an earlier run.

    Raises:
      ValueError: the folder is not one of this experiment, or of another version of it.
    """
    return starting.read_settings(folder, "fed", lambda values: FedSettings(**values), check)


if __name__ == "__main__":
    commandline.exit_with(main)
