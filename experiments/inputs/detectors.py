"""Pretrained AU detectors in run folders: written by experiments.pretrain, read for ``--au-init``."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import AblateSettings, RecognitionSettings
from experiments.inputs.sweep import points
from experiments.run.folder import RunFolder
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.models.fedpsyau import au_detector
from fedpsyau_jax.priors import Priors, published
from fedpsyau_jax.types import Batch, ClientState, Examples

FACTS, WEIGHTS = "detector.json", "detector"
USED = "au_init.json"
"""File of a run with ``--au-init`` that records which detectors it uses."""
DECIDES_WEIGHTS = {"variant": "network.variant", "attention": "network.attention", "masking": "network.masking"}
DECIDES_FEATURES = {"prior": "prior", "prior_ratio": "network.prior-ratio"}
"""Settings of a network, with their options, that must be those of the pretraining: always; if it is frozen."""


class Detector(NamedTuple):
    """An AU detector: its unpacked weights, and the priors that it was trained with."""

    client: ClientState
    priors: Priors


@dataclass(frozen=True)
class PretrainedDetectors:
    """Detectors of ``--au-init``, each with the prior that it was pretrained with.

    Attributes:
      weights: by name of the prior of the network that uses them.
      subjects: all subjects of the pretraining, validation included, as database/subject.
      fingerprint: SHA-256 over weights, priors and subjects.
    """

    weights: Mapping[str, ClientState]
    subjects: tuple[str, ...]
    fingerprint: str

    def subjects_of(self, databases: Sequence[str]) -> list[str]:
        """The pretraining subjects of these databases, not to be tested on; of several, as database/subject."""
        seen = [name for name in self.subjects if name.partition("/")[0] in databases]
        return seen if len(databases) > 1 else [name.partition("/")[2] for name in seen]


def save_detectors(
    folder: RunFolder,
    detectors: Sequence[Detector],
    network: NetworkSettings,
    subjects: Sequence[str],
    databases: Sequence[str],
) -> None:
    """Write detectors with the facts that are needed to use them: their network and their subjects.

    Args:
      folder: of the run.
      detectors: one for each prior of the network.
      network: the network of all detectors.
      subjects: all subjects of the pretraining, validation included, as database/subject.
      databases: names of the databases.
    """
    for place, detector in zip(_places(network.prior), detectors, strict=True):
        with open_checkpoints(folder.path / place, keep=1) as checkpoints:
            checkpoints.save(0, detector.client)
    facts = {
        "network": {name: getattr(network, name) for name in (*DECIDES_WEIGHTS, *DECIDES_FEATURES)},
        "databases": list(databases),
        "subjects": sorted(subjects),
        "priors": [np.asarray(leaf).tolist() for detector in detectors for leaf in jax.tree.leaves(detector.priors)],
    }
    folder.write_json(FACTS, facts)


def read_detectors(path: Path, network: NetworkSettings, *, frozen: bool = False) -> PretrainedDetectors:
    """Read the detectors for a network.

    Args:
      path: folder of a run of experiments.pretrain.
      network: the network that uses them.
      frozen: whether they stay frozen: then the prior must be that of the pretraining.

    Returns:
      For each prior of the network the detector that was pretrained with it; if a single one was pretrained, that one
      for all.

    Raises:
      ValueError: there is no detector, it is of another network, or it cannot be read.
    """
    facts = _facts(path)
    _check(path, facts, network, frozen=frozen)
    priors = _priors(facts)
    place_of = dict(zip(priors, _places(priors), strict=True))
    places = {name: place_of[name] if len(priors) > 1 else WEIGHTS for name in network.prior}
    weights = {place: _weights(path, place, network) for place in dict.fromkeys(places.values())}
    return PretrainedDetectors(
        {name: weights[place] for name, place in places.items()},
        tuple(map(str, facts["subjects"])),
        _fingerprint(facts, list(weights.values())),
    )


def read_au_init(settings: RecognitionSettings) -> PretrainedDetectors | None:
    """The detectors of ``--au-init`` for all networks of some settings; None without ``--au-init``.

    Raises:
      ValueError: there are no detectors, or they do not fit the network.
    """
    if settings.au_init is None:
        return None
    path, frozen = Path(settings.au_init), settings.au_detector == "frozen"
    first, *others = _networks(settings)
    for network in others:
        check_detector(path, network, frozen=frozen)
    return read_detectors(path, first, frozen=frozen)


def _networks(settings: RecognitionSettings) -> list[NetworkSettings]:
    """The distinct networks of the table."""
    networks = [point.network for _, point in points(settings)]
    if isinstance(settings, AblateSettings):
        networks = [replace(network, variant=variant) for network in networks for variant in settings.variants]
    return list(dict.fromkeys(networks))


def check_detector(path: Path, network: NetworkSettings, *, frozen: bool) -> None:
    """Refuse detectors that do not fit a network, without reading their weights; see ``read_detectors``.

    Raises:
      ValueError: there is no detector, or it is of another network, or there are several but none for a prior.
    """
    _check(path, _facts(path), network, frozen=frozen)


def refuse_replaced(folder: RunFolder, au_init: str | None, detectors: PretrainedDetectors | None) -> None:
    """Record which detectors a run uses; in a resumed run, check that they are the same.

    Args:
      folder: of the run.
      au_init: folder of the detectors.
      detectors: as they are now; None if the run has none.

    Raises:
      ValueError: they have changed.
    """
    if detectors is None:
        return
    now = detectors.fingerprint
    if not folder.has(USED):
        folder.write_json(USED, {"folder": au_init, "fingerprint": now})
    elif (before := str(folder.read_facts(USED, "fingerprint")["fingerprint"])) != now:
        raise ValueError(
            f"{folder.path} began with a detector with fingerprint {before[:12]}, but --au-init={au_init} has "
            f"{now[:12]} now: put the old one back, or start a new run"
        )


def detector_like(network: NetworkSettings) -> ClientState:
    """Shapes and dtypes of a detector's unpacked weights."""
    model = au_detector(network.architecture(), published(), 1.0)
    patches, aus, flow = jnp.zeros((1, 65, 5, 5, 3)), jnp.zeros((1, 12)), jnp.zeros((1, 28, 28, 3))
    examples = Examples(flow, patches, aus, aus, jnp.zeros(1, jnp.int32))
    return jax.eval_shape(model.init, jax.random.key(0), Batch(examples, jnp.ones(1)))


def _check(path: Path, facts: Mapping[str, Any], network: NetworkSettings, *, frozen: bool) -> None:
    trained = facts["network"]
    decisive = DECIDES_WEIGHTS | (DECIDES_FEATURES if frozen else {})
    if len(priors := _priors(facts)) > 1:
        decisive = {name: option for name, option in decisive.items() if name != "prior"}
        if missing := [name for name in network.prior if name not in priors]:
            raise ValueError(
                f"--au-init={path}: its detectors were pretrained with --prior {' '.join(priors)}, none with "
                f"{missing[0]}: choose among them, or pretrain with it too"
            )
    for name, option in decisive.items():
        had, wanted = (_as_written(value) for value in (trained.get(name, "unknown"), getattr(network, name)))
        if had != wanted:
            raise ValueError(
                f"--au-init={path}: it was pretrained with --{option} {had}, but this run has {wanted}: choose the "
                f"same, {'do not freeze it, ' if name in DECIDES_FEATURES else ''}or give another detector"
            )


def _weights(path: Path, place: str, network: NetworkSettings) -> ClientState:
    with open_checkpoints(path / place, keep=1) as checkpoints:
        restored = checkpoints.restore(detector_like(network))
    if restored is None or restored.state is None:
        why = f" ({'; '.join(restored.passed_over)})" if restored else ""
        raise ValueError(f"--au-init={path}: its weights cannot be read{why}; pretrain again")
    return restored.state


def _fingerprint(facts: Mapping[str, Any], clients: Sequence[ClientState]) -> str:
    digest = hashlib.sha256(json.dumps([facts["subjects"], facts["priors"]]).encode())
    for leaf in jax.tree.leaves(clients):
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


def _facts(path: Path) -> dict[str, Any]:
    if not (path / FACTS).is_file():
        raise ValueError(
            f"--au-init={path}: there is no {FACTS} in it; give the folder of a finished run of experiments.pretrain"
        )
    facts: dict[str, Any] = RunFolder(path).read_json(FACTS)
    kinds = {"network": dict, "databases": list, "subjects": list, "priors": list}
    if missing := [n for n, kind in kinds.items() if not isinstance(facts, dict) or not isinstance(facts.get(n), kind)]:
        raise ValueError(f"--au-init={path}: its {FACTS} does not say {' and '.join(sorted(missing))}; pretrain again")
    if unplaced := [name for name in facts["subjects"] if str(name).partition("/")[0] not in facts["databases"]]:
        raise ValueError(
            f"--au-init={path}: its {FACTS} does not say of which database {unplaced[0]} is, so nobody could tell "
            "whether it was trained on those who are tested; pretrain again"
        )
    return facts


def _priors(facts: Mapping[str, Any]) -> list[str]:
    """Name of the prior that each detector was pretrained with."""
    return [str(name) for name in facts["network"].get("prior", ())]


def _places(priors: Sequence[str]) -> list[str]:
    """Folders of the weights of each prior's detector."""
    return [WEIGHTS] if len(priors) == 1 else [f"{WEIGHTS}s/{number}" for number in range(len(priors))]


def _as_written(value: Any) -> str:
    """A setting as on the command line."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
