"""Pretrain the AU detector: ``python -m experiments.pretrain --databases disfa --manual-dir disfa=DIR``.

AU detection with both heads, masked BCE, on some databases together; whole subjects are kept apart for validation.
``--databases synthetic`` needs no copy of anything. docs/pretrain.md says more.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import jax
import numpy as np
import pandas as pd
import tyro
from rich.console import Console

from data.dataset import Dataset, load
from experiments import commandline, pretrain_results, starting
from experiments.configs import FedSettings, NetworkSettings, PretrainingSettings, check_priors_named
from experiments.detectors import save_detector
from experiments.pretraining import quiet_residuals, train_detector
from experiments.priors import prior_named
from experiments.progress import Stages, progress
from experiments.runfolder import RunFolder
from experiments.tasks import Detector, detect, detection
from fedpsyau_jax.batching import by_subject
from fedpsyau_jax.priors import AnnotationTable
from fedpsyau_jax.types import Examples, Float, Int

DatabaseName = Literal["synthetic", "disfa", "ckplus", "casme3", "dfme", "casme2", "samm"]
PARTS = {"synthetic": "pretraining"}
"""Configurations to load, where it is not a database's first."""


@dataclass(frozen=True)
class PretrainSettings:
    """One pretraining.

    Attributes:
      databases: What is trained on, together; an AU that a database does not label never counts.
      validation_share: Share of the subjects that is kept apart to score the detector on.
      repeats: Detectors, with other subjects for validation and other initial weights; the first one is kept.
      seed: Of everything random.
      network: Which network.
      pretraining: Epochs, batch, learning rate, weight decay.
    """

    databases: tuple[DatabaseName, ...] = ("synthetic",)
    validation_share: float = 0.2
    repeats: int = 1
    seed: int = 0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)


@dataclass(frozen=True)
class Options:
    """Pretrain the AU detector.

    Attributes:
      settings: What is run.
      output: Folder for the results; it must not exist. By default runs/pretrain-DATE-TIME.
      data_dir: Folder of the databases; by default TFDS_DATA_DIR, else tfds's own.
      manual_dir: Your copies of real databases, as name=FOLDER; needed the first time only.
    """

    settings: Annotated[PretrainSettings, tyro.conf.arg(name="")] = field(default_factory=PretrainSettings)
    output: Path | None = None
    data_dir: Path | None = None
    manual_dir: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """AU-labelled examples of several databases as one; subjects and clips are named database/..."""

    datasets: list[Dataset]
    examples: Examples
    subject: np.ndarray
    clip: np.ndarray
    database: np.ndarray


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
      Exit status 0.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = tyro.cli(Options, args=arguments, prog="python -m experiments.pretrain")
    check(options.settings)
    copies = manual_dirs(options.manual_dir, options.settings.databases)
    commandline.cache_compilations()
    folder = starting.started("pretrain", arguments, asdict(options.settings), options.output, resumable=False)
    try:
        run(options.settings, folder, options.data_dir, copies)
    except BaseException:
        shutil.rmtree(folder.path)  # a detector takes minutes: nothing half trained is kept
        raise
    return 0


def check(settings: PretrainSettings) -> None:
    """Refuse settings that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    if not settings.databases or len(set(settings.databases)) < len(settings.databases):
        raise ValueError(f"--databases {' '.join(settings.databases)}: name each database once, and at least one")
    if not 0 < settings.validation_share < 1:
        raise ValueError(f"--validation-share={settings.validation_share}: it must be between 0 and 1, both excluded")
    check_priors_named(settings.network.prior)
    if len(settings.network.prior) > 1:
        raise ValueError(f"--prior {' '.join(settings.network.prior)}: a detector is pretrained with one prior")
    choices = settings.pretraining
    numbers = (
        ("repeats", settings.repeats),
        ("pretraining.epochs", choices.epochs),
        ("pretraining.batch", choices.batch),
    )
    for name, value in numbers:
        if value < 1:
            raise ValueError(f"--{name}={value}: it must be at least 1")


def manual_dirs(given: Sequence[str], databases: Sequence[str]) -> dict[str, Path]:
    """By name of the database, the folder of the user's copy.

    Raises:
      ValueError: a value is not name=FOLDER, or names a database that is not trained on.

    >>> manual_dirs(["disfa=copies/disfa"], ["disfa"])["disfa"].name
    'disfa'
    """
    copies = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not equals or not folder:
            raise ValueError(f"--manual-dir {text}: write name=FOLDER, for example disfa=/data/DISFA")
        if name not in databases:
            raise ValueError(f"--manual-dir {text}: {name} is not among --databases {' '.join(databases)}")
        copies[name] = Path(folder)
    return copies


def run(settings: PretrainSettings, folder: RunFolder, data_dir: Path | None, copies: dict[str, Path]) -> None:
    """Train and score the detectors, and keep the first."""
    console = Console()
    with progress() as stages:
        corpus = joined(
            [
                load(name, PARTS.get(name), data_dir, progress=stages.track, manual_dir=copies.get(name))
                for name in settings.databases
            ]
        )
        rows = []
        for repeat in range(settings.repeats):
            train, validation = split(settings, corpus, repeat)
            detector, logits = trained(settings, corpus, repeat, train, validation, stages)
            rows.append(
                pretrain_results.rows(
                    repeat,
                    corpus.examples,
                    corpus.clip,
                    corpus.subject,
                    validation,
                    logits,
                    corpus.datasets[0].au_names,
                )
            )
            if repeat == 0:
                save_detector(
                    folder, detector, settings.network, np.unique(corpus.subject).tolist(), settings.databases
                )
    pretrain_results.write(folder, corpus.datasets, pd.concat(rows, ignore_index=True), console)
    console.print(f"Use it with --au-init={folder.path}", soft_wrap=True, highlight=False)


def joined(datasets: list[Dataset]) -> Corpus:
    """Several databases as one, their examples without any labelled AU left out.

    Raises:
      ValueError: no AU is labelled at all.
    """
    examples: Examples = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(one.examples for one in datasets))
    database = np.concatenate([np.full(len(one.clip), one.name.partition("/")[0]) for one in datasets])
    subject, clip = (np.concatenate([getattr(one, name) for one in datasets]) for name in ("subject", "clip"))
    labelled = np.flatnonzero(examples.au_mask.any(axis=1))
    if not len(labelled):
        raise ValueError("no action unit is labelled in these databases: nothing can be learned from them")
    return Corpus(
        datasets,
        jax.tree.map(lambda leaf: leaf[labelled], examples),
        *(names[labelled] for names in (subject, clip, database)),
    )


def split(
    settings: PretrainSettings, corpus: Corpus, repeat: int
) -> tuple[Int[np.ndarray, "train_examples"], Int[np.ndarray, "validation_examples"]]:
    """Examples to train on and to validate on; in each database whole subjects."""
    generator = np.random.default_rng([settings.seed, repeat])
    trained_on = np.zeros(len(corpus.subject), bool)
    for name in dict.fromkeys(corpus.database):
        own = np.flatnonzero(corpus.database == name)
        trained_on[own] = by_subject(own, corpus.subject[own], 1 - settings.validation_share, generator)
    return np.flatnonzero(trained_on), np.flatnonzero(~trained_on)


def trained(
    settings: PretrainSettings,
    corpus: Corpus,
    repeat: int,
    train: Int[np.ndarray, "train_examples"],
    validation: Int[np.ndarray, "validation_examples"],
    stages: Stages,
) -> tuple[Detector, Float[np.ndarray, "validation_examples aus"]]:
    """A detector, and its logits for the validation examples; a prior made of annotations sees those trained on."""
    (name,) = settings.network.prior
    examples = corpus.examples
    aus, mask, emotion = (np.asarray(leaf) for leaf in (examples.au, examples.au_mask, examples.emotion))
    table = AnnotationTable(aus, mask, emotion, corpus.subject)
    priors = jax.tree.map(np.asarray, prior_named(name)(table.rows(train)))
    task = detection(settings.network, priors, examples, quiet_residuals)
    detector = Detector(train_detector(task, settings.pretraining, settings.seed + repeat, train, stages), priors)
    with stages.stage("validating"):
        held_out = jax.tree.map(lambda leaf: leaf[validation], examples)
        outputs = detect(FedSettings(network=settings.network), [detector], held_out)
    return detector, np.asarray(outputs.logits)


if __name__ == "__main__":
    commandline.exit_with(main)
