"""Pretrain the AU detector: ``python -m experiments.pretrain --databases disfa --manual-dir disfa=DIR``.

AU detection with both heads, masked BCE, on some databases together; whole subjects are kept apart for validation.
``--databases synthetic`` needs no copy of anything. docs/pretrain.md says more.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

from data.dataset import load
from experiments.inputs.corpus import Corpus, joined, split
from experiments.inputs.pretrain_settings import PretrainSettings, check
from experiments.inputs.prior_axis import Fitted, fitted, keep_priors, named
from experiments.inputs.priors import annotations_of
from experiments.results import pretrain_results
from experiments.results.pretrain_results import Division
from experiments.run import commandline, starting
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training.pretrain_detectors import train
from fedpsyau_jax.options import parsed
from fedpsyau_jax.splits.folds import NOBODY, Fold
from fedpsyau_jax.splits.leakage import Origins, refuse_leaks

PARTS = {"synthetic": "pretraining"}
"""Configurations to load, where it is not a database's first."""


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
    """Train and score the detectors of all priors and repeats, or the rest of it, and keep the first of each prior."""
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
        training = [division.train for division in divisions]
        priors = [fitted(name, annotations_of(corpus), training) for name in settings.network.prior]
        refuse_leaking(corpus, divisions, priors)
        pretrain_results.begin(folder, corpus, divisions)
        keep_priors(folder, "pretrain", named(priors))
        if not pretrain_results.are_kept(folder, len(named(priors)), settings.network):
            epochs = train(settings, folder, corpus, divisions, priors, stages)
            if epochs < settings.pretraining.epochs:
                trained = f"{epochs} of {settings.pretraining.epochs} epochs are trained"
                console.print(f"{trained}; go on with --resume={folder.path}", soft_wrap=True, highlight=False)
                return commandline.INTERRUPTED
    pretrain_results.conclude(folder, corpus, divisions, settings.network.prior, console)
    console.print(f"Use it with --au-init={folder.path}", soft_wrap=True, highlight=False)
    return 0


def refuse_leaking(corpus: Corpus, divisions: Sequence[Division], priors: Sequence[Fitted]) -> None:
    """Let training begin only if nothing of the validation reaches it.

    Raises:
      ValueError: the first leak.
    """
    folds = [Fold(str(repeat), *division, NOBODY) for repeat, division in enumerate(divisions)]
    statistics = {f"the prior {prior.name}": prior.rows for prior in priors}
    origins = Origins(corpus.subject, corpus.clip, np.asarray(corpus.examples.flow), statistics)
    refuse_leaks(folds, origins, part="repeat")


def read_settings(folder: RunFolder) -> PretrainSettings:
    """The settings of an earlier run.

    Raises:
      ValueError: the folder is not one of this experiment, or of another version of it.
    """
    return starting.read_settings(folder, "pretrain", lambda values: PretrainSettings(**values), check)


if __name__ == "__main__":
    commandline.exit_with(main)
