"""Ablate the network and its priors: ``python -m experiments.ablate``.

The five variants of the network, each with several priors, cross-validated on the same folds with the same random
numbers. One program a variant: priors, folds and repeats are one axis of it. docs/ablate.md says more.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import tyro
from rich.console import Console

from data.dataset import Dataset
from experiments import compare, mer
from experiments.inputs import mer_settings
from experiments.inputs.configs import NetworkSettings, check_common
from experiments.inputs.databases import loaded
from experiments.inputs.detectors import check_detector, refuse_replaced
from experiments.inputs.mer_settings import MerSettings
from experiments.inputs.prior_axis import keep_priors
from experiments.results import mer_results
from experiments.results.read import Finished, of_recognition
from experiments.run import commandline, starting
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages, progress
from experiments.training import chunks, trials
from experiments.training.example_store import with_copies
from fedpsyau_jax.models.fedpsyau import VARIANTS
from fedpsyau_jax.options import parsed
from fedpsyau_jax.splits.folds import Fold

Variant = Literal["full", "global-only", "regional-only", "no-gat", "no-transformer-no-gat"]
NO_PRIOR_USED = tuple(name for name, choices in VARIANTS.items() if not (choices.regional or choices.global_))
"""Variants without graph attention: priors cannot matter, so they are trained once."""
PRIORS = ("published", "co-occurrence", "uniform", "shuffled", "none")


@dataclass(frozen=True)
class AblateSettings:
    """One ablation.

    Attributes:
      variants: Networks, by the authors' ablation; differences are taken to the first.
      mer: How each is trained and tested, and with which priors where it has graph attention; its own variant is
        refused.
    """

    variants: tuple[Variant, ...] = ("full", "global-only", "regional-only", "no-gat", "no-transformer-no-gat")
    mer: Annotated[MerSettings, tyro.conf.arg(name="")] = field(
        default_factory=lambda: MerSettings(
            au="scratch", folds=2, epochs=4, repeats=2, keep_networks=False, network=NetworkSettings(prior=PRIORS)
        )
    )


@dataclass(frozen=True)
class Options:
    """Ablate the network and its priors.

    Attributes:
      settings: What is run.
      output: Folder for the results; it must not exist. By default runs/ablate-DATE-TIME.
      resume: Go on with an interrupted run in this folder, with its settings.
      data_dir: Folder of the databases; by default TFDS_DATA_DIR, else tfds's own.
      manual_dir: Your copy of a real database; needed the first time only.
    """

    settings: Annotated[AblateSettings, tyro.conf.arg(name="")] = field(default_factory=AblateSettings)
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
    options = parsed(Options, arguments, prog="python -m experiments.ablate")
    new = options.resume is None
    if options.resume is None:
        settings = options.settings
        check(settings)
        values = asdict(settings.mer) | {"variants": settings.variants}
        folder = starting.started("ablate", arguments, values, options.output)
    else:
        changed = options.settings != AblateSettings() or options.output is not None
        folder = starting.resumed(options.resume, with_settings=changed)
        settings = read_settings(folder)
    commandline.cache_compilations()
    with starting.gone_unless_begun(folder, new=new):
        return run(settings, folder, options.data_dir, options.manual_dir)


def check(settings: AblateSettings) -> None:
    """Refuse settings that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed; or --au-init is no detector of these networks.
    """
    if not settings.variants or len(set(settings.variants)) < len(settings.variants):
        raise ValueError(f"--variants {' '.join(settings.variants)}: name each variant once, and at least one")
    check_common(settings.mer.seed, settings.mer.network)
    if not 0 <= settings.mer.weight_decay < inf:
        raise ValueError(f"--weight-decay={settings.mer.weight_decay}: it must be at least 0, and finite")
    if (variant := settings.mer.network.variant) != NetworkSettings().variant:
        raise ValueError(f"--network.variant={variant}: an ablation takes its networks as --variants")
    if settings.mer.au == "frozen":
        raise ValueError(
            "--au=frozen: priors act inside the AU module, which must be trained: choose scratch or finetuned"
        )
    mer_settings.check(settings.mer)
    if settings.mer.au_init is not None:
        for variant in settings.variants:
            check_detector(Path(settings.mer.au_init), replace(settings.mer.network, variant=variant), frozen=False)


def run(settings: AblateSettings, folder: RunFolder, data_dir: Path | None, manual_dir: Path | None) -> int:
    """Train every variant, or those that are not trained yet, and compare them."""
    console = Console()
    refuse_replaced(folder, settings.mer.au_init, replace(settings.mer.network, variant=settings.variants[0]))
    finished: list[chunks.Finished] = []
    with progress() as stages:
        dataset = loaded(settings.mer, data_dir, manual_dir, stages)
        repeats = trials.folds(settings.mer, dataset)
        mer.warn(repeats, dataset, console)
        for variant in settings.variants:
            training = of_variant(settings, variant, dataset, repeats, data_dir, folder, stages)
            trained = chunks.train(training, stages)
            finished += trained
            if len(trained) < len(training.trials):
                console.print(f"{variant} is not finished; go on with --resume={folder.path}", soft_wrap=True)
                return commandline.INTERRUPTED
    mer_results.conclude(folder, dataset, finished, None)
    compare_all(folder, of_recognition(folder.path.name, folder))
    return 0


def of_variant(
    settings: AblateSettings,
    variant: Variant,
    dataset: Dataset,
    repeats: list[list[Fold]],
    data_dir: Path | None,
    folder: RunFolder,
    stages: Stages,
) -> chunks.Training:
    """All trials of one network: they train in one program."""
    network = settings.mer.network
    priors = network.prior[:1] if variant in NO_PRIOR_USED else network.prior
    choices = replace(settings.mer, network=replace(network, variant=variant, prior=priors))
    chosen = trials.trials(repeats, dataset, [(title(variant, prior), prior) for prior in priors])
    chosen = trials.starting_from_own(chosen, len(priors))
    pretrained = mer.au_modules(choices, chosen, dataset, data_dir, stages)
    mer_results.begin(folder, dataset, repeats)
    keep_priors(folder, variant, [(trial.algorithm, trial.priors) for trial in chosen])
    examples = with_copies(choices, dataset)
    recognition = mer.recognised(choices, dataset, pretrained, examples, chosen[0])
    return chunks.Training(variant, choices, recognition, examples, chosen, folder)


def title(variant: str, prior: str) -> str:
    """How a network with a prior is called in the tables.

    >>> title("full", "uniform"), title("no-gat", "uniform")
    ('full, uniform', 'no-gat')
    """
    return variant if variant in NO_PRIOR_USED else f"{variant}, {prior}"


def differences(finished: Finished) -> pd.DataFrame:
    """Paired differences: every model to the first, and the priors of one network to each other.

    Returns:
      Content of differences.csv, as experiments.compare writes it.
    """
    first, *_ = finished.algorithms
    pairs = [
        compare.difference(finished, model, finished, other)
        for other, model in combinations(finished.algorithms, 2)
        if other == first or other.partition(",")[0] == model.partition(",")[0]
    ]
    return compare.difference_table(pairs, [finished])


def compare_all(folder: RunFolder, finished: Finished) -> None:
    """Write and show scores and differences, as experiments.compare does."""
    facts = compare.facts_of([finished], [], [])
    compare.conclude(folder, [finished], compare.comparison([finished]), differences(finished), facts)


def read_settings(folder: RunFolder) -> AblateSettings:
    """The settings of an earlier run.

    Raises:
      ValueError: the folder is not one of this experiment, or of another version of it.
    """

    def build(values: dict[str, Any]) -> AblateSettings:
        if "priors" in values:
            raise ValueError(f"an earlier version took priors as --priors: use --prior {' '.join(values['priors'])}")
        return AblateSettings(values.pop("variants"), MerSettings(**values))

    return starting.read_settings(folder, "ablate", build, check)


if __name__ == "__main__":
    commandline.exit_with(main)
