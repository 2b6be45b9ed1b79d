"""Pretrained AU detectors in folders: written by experiments.pretrain, read by ``--au-init``."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.configs import NetworkSettings
from experiments.run.folder import RunFolder
from experiments.training.tasks import Detector
from fedpsyau_jax.checkpoint import open_checkpoints
from fedpsyau_jax.models.fedpsyau import au_detector
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Batch, ClientState, Examples

FACTS, WEIGHTS = "detector.json", "detector"
BEGAN_WITH = "au_init.json"
"""In the folder of a run that has ``--au-init``: which detectors these were."""
WEIGHTS_BELONG_TO = {"variant": "network.variant", "attention": "network.attention", "masking": "network.masking"}
SEEN_THROUGH = {"prior": "prior", "prior_ratio": "network.prior-ratio"}
"""Settings of a network that a detector's weights, and one that stays as it is, belong to; and their options."""


class DetectorSource(NamedTuple):
    """Where the AU detectors of a run come from.

    ``subjects``: who was trained on; ``weights(prior, meanwhile)``: those of the detector to see through the prior of
    this name; where it has to be trained, ``meanwhile`` is called when only training is left to do.
    """

    subjects: Sequence[str]
    weights: Callable[[str, Callable[[], object]], ClientState]


def save_detectors(
    folder: RunFolder,
    detectors: Sequence[Detector],
    network: NetworkSettings,
    subjects: Sequence[str],
    databases: Sequence[str],
) -> None:
    """Write detectors with what must be known to use them: their network, and whom they have seen.

    Args:
      folder: of the run.
      detectors: of each prior of the network, its weights, as the network itself has them, and the priors that it was
        trained with.
      network: which network.
      subjects: everybody whose pictures decided their weights, validation included, as database/subject.
      databases: their names.
    """
    for place, detector in zip(_places(network.prior), detectors, strict=True):
        with open_checkpoints(folder.path / place, keep=1) as checkpoints:
            checkpoints.save(0, detector.client)
    facts = {
        "network": {name: getattr(network, name) for name in (*WEIGHTS_BELONG_TO, *SEEN_THROUGH)},
        "databases": list(databases),
        "subjects": sorted(subjects),
        "priors": [np.asarray(leaf).tolist() for detector in detectors for leaf in jax.tree.leaves(detector.priors)],
    }
    folder.write_json(FACTS, facts)


def check_detector(path: Path, network: NetworkSettings, *, frozen: bool) -> None:
    """Refuse a detector that does not fit.

    Args:
      path: folder of a run of experiments.pretrain.
      network: that it is to be used in.
      frozen: whether it stays as it is: then it has to see through the prior that it was pretrained with.

    Raises:
      ValueError: no detector there, or one of another network; or there are several, and none for a prior.
    """
    trained = _facts(path)["network"]
    belongs = WEIGHTS_BELONG_TO | (SEEN_THROUGH if frozen else {})
    if len(priors := _priors(trained)) > 1:
        belongs = {name: option for name, option in belongs.items() if name != "prior"}
        if missing := [name for name in network.prior if name not in priors]:
            raise ValueError(
                f"--au-init={path}: its detectors were pretrained with --prior {' '.join(priors)}, none with "
                f"{missing[0]}: choose among them, or pretrain with it too"
            )
    for name, option in belongs.items():
        had, wanted = (_words(value) for value in (trained.get(name, "unknown"), getattr(network, name)))
        if had != wanted:
            raise ValueError(
                f"--au-init={path}: it was pretrained with --{option} {had}, but this run has {wanted}: choose the "
                f"same, {'do not freeze it, ' if name in SEEN_THROUGH else ''}or give another detector"
            )


def detectors_from(path: Path, network: NetworkSettings) -> dict[str, ClientState]:
    """Read detectors.

    Args:
      path: folder of a run of experiments.pretrain.
      network: that they are to be used in.

    Returns:
      By prior of the network, the detector that was pretrained with the one of this name; where a single one was
      pretrained, that one for all.

    Raises:
      ValueError: no detector there, one of another network, or one that cannot be read.
    """
    check_detector(path, network, frozen=False)
    priors = _priors(_facts(path)["network"])
    of_prior = dict(zip(priors, _places(priors), strict=True))
    places = {name: of_prior[name] if len(priors) > 1 else WEIGHTS for name in network.prior}
    weights = {place: _weights(path, place, network) for place in dict.fromkeys(places.values())}
    return {name: weights[place] for name, place in places.items()}


def _weights(path: Path, place: str, network: NetworkSettings) -> ClientState:
    with open_checkpoints(path / place, keep=1) as checkpoints:
        restored = checkpoints.restore(detector_like(network))
    if restored is None or restored.state is None:
        why = f" ({'; '.join(restored.passed_over)})" if restored else ""
        raise ValueError(f"--au-init={path}: its weights cannot be read{why}; pretrain again")
    return restored.state


def _priors(trained: Mapping[str, Any]) -> list[str]:
    """Names of the priors that a network of detector.json was pretrained with, a detector for each."""
    return [str(name) for name in trained.get("prior", ())]


def _places(priors: Sequence[str]) -> list[str]:
    """Folders of the weights of each prior's detector."""
    return [WEIGHTS] if len(priors) == 1 else [f"{WEIGHTS}s/{number}" for number in range(len(priors))]


def detector_subjects(path: Path, database: str) -> list[str]:
    """Whom of a database a detector has seen: they must not be among those whom anything is tested on.

    Args:
      path: folder of a run of experiments.pretrain.
      database: its name; subjects of others are other people, whatever they are called.

    Raises:
      ValueError: no detector there.
    """
    seen = [str(name).partition("/") for name in _facts(path)["subjects"]]
    return [subject for name, _, subject in seen if name == database]


def refuse_replaced(folder: RunFolder, au_init: str | None, network: NetworkSettings) -> None:
    """Write down which detector a run begins with; in a resumed run, see that it is still the same.

    Args:
      folder: of the run.
      au_init: folder of the detector; None where the run has none.
      network: that it is used in.

    Raises:
      ValueError: it is another one, or none.
    """
    if au_init is None:
        return
    now = fingerprint(Path(au_init), network)
    if not folder.has(BEGAN_WITH):
        folder.write_json(BEGAN_WITH, {"folder": au_init, "fingerprint": now})
    elif (before := str(folder.read_facts(BEGAN_WITH, "fingerprint")["fingerprint"])) != now:
        raise ValueError(
            f"{folder.path} began with a detector with fingerprint {before[:12]}, but --au-init={au_init} has "
            f"{now[:12]} now: put the old one back, or start a new run"
        )


def fingerprint(path: Path, network: NetworkSettings) -> str:
    """SHA-256 over weights, priors and subjects of the detectors that a network takes.

    Raises:
      ValueError: no detector there, one of another network, or one that cannot be read.
    """
    facts = _facts(path)
    digest = hashlib.sha256(json.dumps([facts["subjects"], facts["priors"]]).encode())
    different = {id(client): client for client in detectors_from(path, network).values()}
    for leaf in jax.tree.leaves(list(different.values())):
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
    if namesakes := [name for name in facts["subjects"] if str(name).partition("/")[0] not in facts["databases"]]:
        raise ValueError(
            f"--au-init={path}: its {FACTS} does not say of which database {namesakes[0]} is, so nobody could tell "
            "whether it was trained on those who are tested; pretrain again"
        )
    return facts


def _words(value: Any) -> str:
    """A setting as the user writes it."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def detector_like(network: NetworkSettings) -> ClientState:
    """Shapes and dtypes of a detector's weights, as the network itself has them."""
    model = au_detector(network.architecture(), published(), 1.0)
    patches, aus, flow = jnp.zeros((1, 65, 5, 5, 3)), jnp.zeros((1, 12)), jnp.zeros((1, 28, 28, 3))
    examples = Examples(flow, patches, aus, aus, jnp.zeros(1, jnp.int32))
    return jax.eval_shape(model.init, jax.random.key(0), Batch(examples, jnp.ones(1)))
