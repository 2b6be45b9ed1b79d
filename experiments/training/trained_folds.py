"""The networks of a run of experiments.mer, each with the test examples of the fold that trained it."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from data.dataset import Dataset
from experiments import mer
from experiments.inputs.mer_settings import MerSettings
from experiments.inputs.prior_axis import named_rows, refuse_changed_priors
from experiments.results import damage, mer_results
from experiments.run import networks as kept_networks
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training import trials
from experiments.training.chunks import Finished, ratio_of
from experiments.training.tasks import one_example
from experiments.training.trained_networks import (
    Evaluations,
    Networks,
    Progress,
    TrainedRun,
    by_rows,
    frozen_detectors,
    no_detectors,
    refuse_without_attention,
    same_data,
)
from experiments.training.trials import Trial
from fedpsyau_jax.models.fedpsyau import Detected, emotion_classifier, network
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Batch, ClientState

NAME = "folds"
"""Of the files in ``networks``."""
KEYS = ["algorithm", "repeat", "fold", "clip"]


def settings_of(folder: RunFolder) -> MerSettings:
    """The settings of a run whose networks can be looked into.

    Raises:
      ValueError: it is not finished, or its networks were not kept, or it has no graph attention.
    """
    settings = mer.read_settings(folder)
    refuse_without_attention(folder, settings.network)
    finished, kept = folder.has("summary.csv"), (folder.path / kept_networks.FOLDER).is_dir()
    if not settings.keep_networks or (finished and not kept):
        raise ValueError(
            f"{folder.path} kept no networks: run it again, without --no-keep-networks and with this version"
        )
    if not finished:
        raise ValueError(
            f"{folder.path} is not finished, and scores are those of all folds: go on with "
            f"`python -m experiments.mer --resume={folder.path}`"
        )
    return settings


def read_run(folder: RunFolder, data_dir: Path | None, stages: Stages) -> TrainedRun:
    """Read a run back; nothing in its folder changes.

    Args:
      folder: of the run.
      data_dir: folder of the databases.
      stages: where progress is shown.

    Raises:
      ValueError: the folder is not one of such a run, its networks or data are not there, or the data are others.
    """
    settings = settings_of(folder)
    dataset = same_data(folder, settings, data_dir, stages)
    repeats, priors = trials.folds(settings, dataset), settings.network.prior
    titles = named_rows([mer.AU_TITLES[settings.au]], priors)
    chosen = trials.trials(repeats, dataset, list(zip(titles, priors, strict=True)))
    refuse_changed_priors(folder, "mer", [(trial.algorithm, trial.priors) for trial in chosen])
    frozen = settings.au == "frozen"
    weights = frozen_detectors(folder, settings, data_dir, stages) if frozen else no_detectors(settings.network)
    seen, detectors = trials.seen_through(chosen, weights)
    return TrainedRun(
        folder,
        dataset,
        settings.network,
        last_ratio(settings),
        detectors,
        mer.AU_TITLES["frozen"] if frozen else None,
        lambda client: client,
        [_networks(folder, settings, dataset, seen, titles)],
        lambda logits: _predictions(dataset, chosen, logits),
        _before(folder, dataset, chosen),
        _progress(settings, len(repeats[0])),
    )


def last_ratio(settings: MerSettings) -> float:
    """The prior ratio that networks are tested with: that of the last epoch, also where an earlier one is selected."""
    if settings.prior_schedule == "constant":
        return settings.network.prior_ratio
    return float(ratio_of(settings)(settings.epochs - 1))


def _progress(settings: MerSettings, num_folds: int) -> Progress:
    decayed = settings.prior_schedule == "decay"
    return Progress("fold", "epoch", num_folds, settings.epochs, settings.epochs, settings.repeats, decayed)


def _networks(
    folder: RunFolder, settings: MerSettings, dataset: Dataset, chosen: Sequence[Trial], titles: Sequence[str]
) -> Networks:
    """Those of all trials, which are ordered by row, repeat and fold."""
    like, axes = _like(settings, dataset), (len(titles), settings.repeats)
    clients = kept_networks.read_all(folder, NAME, len(chosen), like)
    tests = trials.trial_data(chosen, np.arange(len(dataset.subject)), settings.seed).test
    of_each = len(chosen) // (len(titles) * settings.repeats)
    parts = [trial.fold.test for trial in chosen]
    tested = [parts[repeat * of_each : (repeat + 1) * of_each] for repeat in range(settings.repeats)]
    return Networks(titles, tested, by_rows(clients, *axes), by_rows(tests, *axes))


def _like(settings: MerSettings, dataset: Dataset) -> ClientState:
    """Shapes of what a fold trains: the whole network, or the emotion classifier over a frozen AU module."""
    examples, num_classes = one_example(dataset.examples).examples, len(dataset.class_names)
    if settings.au == "frozen":
        features = jnp.zeros((1, len(dataset.au_names), 25))
        model, seen = emotion_classifier(num_classes), Detected(examples.flow, features, examples.emotion)
    else:
        model, seen = network(num_classes, settings.network.architecture(), published(), 1.0), examples
    return jax.eval_shape(model.init, jax.random.key(0), Batch(seen, jnp.ones(1)))


def _predictions(
    dataset: Dataset, chosen: Sequence[Trial], evaluations: Evaluations
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of predictions.csv and au_predictions.csv."""
    (logits,) = evaluations
    of_trials = {name: values.reshape(-1, *values.shape[3:]) for name, values in logits.items()}
    finished = [
        Finished(trial, {}, {name: values[place, : len(trial.fold.test)] for name, values in of_trials.items()})
        for place, trial in enumerate(chosen)
    ]
    emotions = pd.concat([mer_results.emotion_rows(dataset, one) for one in finished], ignore_index=True)
    return emotions, pd.concat([mer_results.au_rows(dataset, one, None) for one in finished], ignore_index=True)


def _before(folder: RunFolder, dataset: Dataset, chosen: Sequence[Trial]) -> pd.DataFrame:
    """The predictions of the run.

    Raises:
      ValueError: they are damaged, or about other examples.
    """
    name = "predictions.csv"
    table = folder.read_table(name)
    damage.check_predictions(folder, name, table, dataset.class_names)
    wanted = [
        (trial.algorithm, trial.repeat, trial.fold.name, clip)
        for trial in chosen
        for clip in dataset.clip[trial.fold.test].tolist()
    ]
    columns = [*KEYS, *(f"p_{name}" for name in dataset.class_names)]
    lacks = [column for column in columns if column not in table]
    if lacks or list(table[KEYS].itertuples(index=False, name=None)) != wanted:
        what = f"has no column {lacks[0]}" if lacks else "is not about the folds and clips of its config.json"
        raise ValueError(f"{folder.path / name} {what}; restore it, or run again")
    return table
