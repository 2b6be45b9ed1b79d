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
import tyro
from rich.console import Console

from data.dataset import load
from experiments import commandline, pretrain_results, starting
from experiments.configs import (
    FedSettings,
    NetworkSettings,
    PretrainingSettings,
    check_common,
    check_pretraining,
    check_priors_named,
)
from experiments.corpus import Corpus, joined, split
from experiments.detecting import detect
from experiments.detectors import save_detector
from experiments.leakage import Origins, refuse_leaks
from experiments.pretrain_results import Division
from experiments.pretraining import Saving, quiet_residuals, train_detector
from experiments.priors import prior_named
from experiments.progress import Stages, progress
from experiments.runfolder import RunFolder
from experiments.tasks import Detector, Task, detection
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.folds import NOBODY, Fold
from fedpsyau_jax.options import parsed
from fedpsyau_jax.priors import AnnotationTable, Priors
from fedpsyau_jax.types import Float, Int

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
      checkpoint_seconds: At least so long between two checkpoints.
      network: Which network.
      pretraining: Epochs, batch, learning rate, weight decay.
    """

    databases: tuple[DatabaseName, ...] = ("synthetic",)
    validation_share: float = 0.2
    repeats: int = 1
    seed: int = 0
    checkpoint_seconds: float = 20.0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)


@dataclass(frozen=True)
class Options:
    """Pretrain the AU detector.

    Attributes:
      settings: What is run.
      output: Folder for the results; it must not exist. By default runs/pretrain-DATE-TIME.
      resume: Go on with an interrupted run in this folder, with its settings.
      data_dir: Folder of the databases; by default TFDS_DATA_DIR, else tfds's own.
      manual_dir: Your copies of real databases, as name=FOLDER; needed the first time only.
    """

    settings: Annotated[PretrainSettings, tyro.conf.arg(name="")] = field(default_factory=PretrainSettings)
    output: Path | None = None
    resume: Path | None = None
    data_dir: Path | None = None
    manual_dir: tuple[str, ...] = ()


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
      Exit status: 0, or 130 after Ctrl-C.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.pretrain")
    new = options.resume is None
    if options.resume is None:
        settings = options.settings
        check(settings)
        copies = manual_dirs(options.manual_dir, settings.databases)
        folder = starting.started("pretrain", arguments, asdict(settings), options.output)
    else:
        changed = options.settings != PretrainSettings() or options.output is not None
        folder = starting.resumed(options.resume, with_settings=changed)
        settings = read_settings(folder)
        copies = manual_dirs(options.manual_dir, settings.databases)
    commandline.cache_compilations()
    with starting.gone_unless_begun(folder, new=new):
        return run(settings, folder, options.data_dir, copies)


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
    if settings.repeats < 1:
        raise ValueError(f"--repeats={settings.repeats}: it must be at least 1")
    check_common(settings.seed, settings.network)
    check_pretraining(settings.pretraining)


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


def run(settings: PretrainSettings, folder: RunFolder, data_dir: Path | None, copies: dict[str, Path]) -> int:
    """Train and score the detectors, or those that are not trained yet, and keep the first."""
    console = Console()
    with progress() as stages:
        corpus = joined(
            [
                load(name, PARTS.get(name), data_dir, progress=stages.track, manual_dir=copies.get(name))
                for name in settings.databases
            ]
        )
        divisions = [
            Division(*split(corpus, settings.validation_share, (settings.seed, repeat)))
            for repeat in range(settings.repeats)
        ]
        refuse_leaking(corpus, divisions)
        pretrain_results.begin(folder, corpus, divisions)
        for repeat, division in enumerate(divisions):
            done = pretrain_results.is_kept(folder, repeat, settings.network)
            if not (done or train(settings, folder, corpus, repeat, division, stages)):
                trained = f"{repeat} of {settings.repeats} detectors are trained"
                console.print(f"{trained}; go on with --resume={folder.path}", soft_wrap=True, highlight=False)
                return commandline.INTERRUPTED
    pretrain_results.conclude(folder, corpus, divisions, console)
    console.print(f"Use it with --au-init={folder.path}", soft_wrap=True, highlight=False)
    return 0


def refuse_leaking(corpus: Corpus, divisions: Sequence[Division]) -> None:
    """Let training begin only if nothing of the validation reaches it.

    Raises:
      ValueError: the first leak.
    """
    folds = [Fold(str(repeat), *division, NOBODY) for repeat, division in enumerate(divisions)]
    refuse_leaks(folds, Origins(corpus.subject, corpus.clip, np.asarray(corpus.examples.flow)), part="repeat")


def train(
    settings: PretrainSettings, folder: RunFolder, corpus: Corpus, repeat: int, division: Division, stages: Stages
) -> bool:
    """Train and validate the detector of one repeat, or the rest of it; whether it is done, or was interrupted."""
    task, priors = detection_by(settings.network, corpus, division.train)
    place = folder.checkpoints / str(repeat)
    with open_checkpoints(place) as checkpoints:
        saving = Saving(checkpoints, settings.checkpoint_seconds)
        seed = settings.seed + repeat
        trained = train_detector(task, settings.pretraining, seed, division.train, stages, saving)
    if len(trained.loss) < settings.pretraining.epochs:
        return False
    detector = Detector(trained.client, priors)
    with stages.stage("validating"):
        logits = validated(settings.network, detector, corpus, division.validation)
    if repeat == 0:
        save_detector(folder, detector, settings.network, np.unique(corpus.subject).tolist(), settings.databases)
    pretrain_results.keep(folder, repeat, trained.loss, logits)
    shutil.rmtree(place)
    return True


def detection_by(network: NetworkSettings, corpus: Corpus, train: Int[np.ndarray, "examples"]) -> tuple[Task, Priors]:
    """The task, and its priors; one that is made of annotations sees those of the training examples."""
    (name,) = network.prior
    examples = corpus.examples
    aus, mask, emotion = (np.asarray(leaf) for leaf in (examples.au, examples.au_mask, examples.emotion))
    table = AnnotationTable(aus, mask, emotion, corpus.subject)
    priors = jax.tree.map(np.asarray, prior_named(name)(table.rows(train)))
    return detection(network, priors, examples, quiet_residuals), priors


def validated(
    network: NetworkSettings, detector: Detector, corpus: Corpus, validation: Int[np.ndarray, "examples"]
) -> Float[np.ndarray, "examples aus"]:
    """A detector's logits for the validation examples."""
    held_out = jax.tree.map(lambda leaf: leaf[validation], corpus.examples)
    return np.asarray(detect(FedSettings(network=network), [detector], held_out).logits)


def read_settings(folder: RunFolder) -> PretrainSettings:
    """The settings of an earlier run.

    Raises:
      ValueError: the folder is not one of this experiment, or of another version of it.
    """
    return starting.read_settings(folder, "pretrain", lambda values: PretrainSettings(**values), check)


if __name__ == "__main__":
    commandline.exit_with(main)
