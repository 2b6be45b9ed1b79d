"""Every prior's detector of every repeat: trained together, each validated on its own held-out subjects, then kept."""

import shutil
from collections.abc import Sequence

import jax
import numpy as np

from experiments.inputs.configs import FedSettings, NetworkSettings
from experiments.inputs.corpus import Corpus
from experiments.inputs.detectors import save_detectors
from experiments.inputs.pretrain_settings import PretrainSettings
from experiments.inputs.prior_axis import Fitted, distinct, named
from experiments.results import pretrain_results
from experiments.results.pretrain_results import Division
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages
from experiments.training.detecting import detect
from experiments.training.detector_training import DetectorTrial, Saving, train_detectors
from experiments.training.pretraining import RATES, quiet_residuals
from experiments.training.tasks import Detector, detection
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.types import Float


def train(
    settings: PretrainSettings,
    folder: RunFolder,
    corpus: Corpus,
    divisions: Sequence[Division],
    priors: Sequence[Fitted],
    stages: Stages,
) -> int:
    """Train and validate every prior's detector of every repeat, or until Ctrl-C; returns how many epochs that was."""
    kinds, which = distinct([own for _, own in named(priors)])
    begins = which.reshape(len(priors), -1) * len(corpus.clip)
    trials = [
        DetectorTrial(f", {prior.name} prior, repeat {repeat}", settings.seed + repeat, division.train + begin)
        for prior, of_prior in zip(priors, begins, strict=True)
        for repeat, (division, begin) in enumerate(zip(divisions, of_prior, strict=True))
    ]
    task = detection(settings.network, kinds, corpus.examples, quiet_residuals)
    place = folder.checkpoints / "detectors"
    with open_checkpoints(place) as checkpoints:
        saving = Saving(checkpoints, settings.checkpoint_seconds)
        trained = train_detectors(task, RATES, settings.pretraining, trials, stages, saving)
    if (epochs := len(trained[0].loss)) < settings.pretraining.epochs:
        return epochs
    detectors = [Detector(own.client, seen) for own, (_, seen) in zip(trained, named(priors), strict=True)]
    with stages.stage("validating"):
        logits = validated(settings.network, detectors, corpus, divisions)
    firsts = detectors[:: len(divisions)]
    save_detectors(folder, firsts, settings.network, np.unique(corpus.subject).tolist(), settings.databases)
    for number, (own, seen) in enumerate(zip(trained, logits, strict=True)):
        pretrain_results.keep(folder, number, own.loss, seen)
    shutil.rmtree(place)
    return epochs


def validated(
    network: NetworkSettings, detectors: Sequence[Detector], corpus: Corpus, divisions: Sequence[Division]
) -> list[Float[np.ndarray, "examples aus"]]:
    """[priors * repeats] each detector's logits for the validation examples of its repeat."""
    num_priors = len(detectors) // len(divisions)
    logits: dict[tuple[int, int], np.ndarray] = {}
    for repeat, division in enumerate(divisions):
        held_out = jax.tree.map(lambda leaf, rows=division.validation: leaf[rows], corpus.examples)
        of_repeat = detectors[repeat :: len(divisions)]
        seen = np.asarray(detect(FedSettings(network=network), of_repeat, held_out).logits)
        logits |= {(prior, repeat): own for prior, own in enumerate(np.split(seen, num_priors))}
    return [logits[place] for place in sorted(logits)]
