"""The network and the data of a site: the training that experiments.fed gives one of its clients."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deployment.participant import Counts, Site, Training, flat
from deployment.payload import Refused
from experiments.inputs.algorithms import algorithm
from experiments.inputs.databases import load_databases
from experiments.inputs.detectors import read_au_init
from experiments.inputs.priors import annotations_of, cooccurrence_of_counts
from experiments.inputs.settings import FedSettings
from experiments.run.progress import Stages
from experiments.training.compiler import long_run_options, run_once_options
from experiments.training.detectors import Clients, nothing
from experiments.training.experiment import detector_networks, store_with_detectors
from experiments.training.plan import Group, arrays, group, rows_to_train_on, training_key
from experiments.training.prepare import Prepared, prepare_on
from experiments.training.program import INITIAL_WEIGHTS, client_of, context_of
from experiments.training.shapes import store_like, task_of
from experiments.training.store import Store
from fedpsyau_jax.federated import ClientData, Received, Round, TrainTest, client_round
from fedpsyau_jax.priors import pair_counts
from fedpsyau_jax.splits import pad_indices
from fedpsyau_jax.types import ClientState, Metrics

__all__ = ["facts_of_versions", "site_of"]

VERSIONS = ("fedpsyau-jax", "jax", "jaxlib", "numpy")
COUNTED = "co-occurrence"


def facts_of_versions() -> dict[str, str]:
    """Versions that must be equal everywhere, because results depend on them."""
    return {"versions": ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)}


def site_of(settings: FedSettings, place: int, data_dir: Path | None, copies: Sequence[str], stages: Stages) -> Site:
    """Read a site's data and detector.

    Args:
        settings: of the federation, with the site's own database.
        place: which of the clients of these settings the site is; 0 if it is the only one.
        data_dir: folder of prepared databases.
        copies: ``--manual-dir`` of databases that are built from a copy.
        stages: where progress is shown.

    Raises:
        ValueError, OSError: the data cannot be used.
    """
    datasets = load_databases(settings, data_dir, copies, stages)
    prepared = prepare_on(datasets, settings, read_au_init(settings), data_dir, stages)
    (own,), (data,) = prepared.table.groups, prepared.data
    clients = prepared.source.clients(detector_networks([own]), nothing)
    train = own.trainings[0].split.clients[place].train
    annotations = annotations_of(data.corpus).rows(train)
    together, labelled = pair_counts(annotations.aus, annotations.mask)
    facts = facts_of_versions() | {
        "classes": ", ".join(prepared.class_names),
        "action units": ", ".join(prepared.au_names),
        "detector": _digest(clients),
    }
    rows = rows_to_train_on(train, data.rows.shown)
    counts: Counts = {"examples": np.asarray(len(rows), np.int64), "together": together, "labelled": labelled}

    def training(number: int, totals: Counts, longest: int, sites: int) -> Training:
        if longest < len(rows):
            raise Refused(f"the longest training set is {longest}, but this site has {len(rows)} examples")
        counted = _with_counted_prior(own, totals)
        return _training(prepared, counted, clients, place, _Place(number, rows, longest, sites), stages)

    return Site(facts, counts, training)


class _Place:
    """A site's place in the federation."""

    def __init__(self, number: int, rows: np.ndarray, longest: int, sites: int) -> None:
        self.number, self.longest, self.sites = number, longest, sites
        (indices,), (mask,) = pad_indices([[rows]], longest)
        identity = jnp.int32(number)
        self.train = ClientData(identity, jnp.asarray(indices[0]), jnp.asarray(mask[0]))


def _with_counted_prior(own: Group, totals: Counts) -> Group:
    """The group with the prior of all sites' counts, if its prior is one of counts."""
    if {one.network.prior for one in own.trainings} != {(COUNTED,)}:
        return own
    priors = jax.tree.map(np.asarray, cooccurrence_of_counts(totals["together"], totals["labelled"]))
    trainings = [replace(one, priors=priors) for one in own.trainings]
    return group(own.name, own.recipe, own.au, trainings, own.num_models)


def _training(prepared: Prepared, own: Group, clients: Clients, place: int, where: _Place, stages: Stages) -> Training:
    settings = prepared.settings
    assert isinstance(settings, FedSettings)
    store, _ = store_with_detectors(prepared, own, clients, stages)
    task = task_of(own, len(prepared.class_names), store_like(own, prepared.data_of(own).rows))
    one = jax.tree.map(lambda leaf: leaf[0], arrays(own, [0], 1, prepared.data_of(own).rows.shown, settings.seed))
    scored = jax.tree.map(lambda leaf: leaf[place], one.scored)
    data = TrainTest(jnp.int32(where.number), where.train, scored)
    strategy = algorithm(settings.algorithms[0])(jnp.ones(where.sites), settings)
    sizes = where.longest, scored.mask.shape[-1]
    key = training_key(settings.seed, 0, 0)

    def of_client(
        store: Store, state: Any, inputs: tuple[Received, Any], now: Round
    ) -> tuple[tuple[ClientState, Any], Metrics]:
        update, problem, evaluate = client_of(own.recipe, task, context_of(store, one, now.number), *sizes)
        return client_round(strategy, update, problem, evaluate)(state, inputs, now)

    context = context_of(store, one, 0)
    init = jax.jit(lambda key, store: task.init(key, context_of(store, one, 0)), compiler_options=run_once_options())
    client = init(jax.random.fold_in(key, INITIAL_WEIGHTS), store)
    update, problem, _ = client_of(own.recipe, task, context, *sizes)
    update = update if strategy.client is None else strategy.client(update, problem)
    memory = update.init(client)
    heard = None if strategy.messages is None else update.message(memory)
    anchor = None if strategy.anchor is None else client.params
    received = Received(strategy.mu[0], anchor, heard)
    first = None if strategy.anchored_at_start is None else client.params
    now = Round(jnp.int32(0), key, strategy.anchored_at_start, first)
    _, metrics = jax.eval_shape(of_client, store, (client, memory), (received, data), now)
    zeros: Mapping[str, np.ndarray] = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), flat(metrics))
    labels = task.labels(client.params) if task.labels else None
    update_at_site = partial(jax.jit(of_client, compiler_options=long_run_options()), store)
    return Training(strategy, client, memory, data, update_at_site, update.message, labels, key, zeros)


def _digest(clients: Clients) -> str:
    content = hashlib.sha256()
    for leaf in jax.tree.leaves(list(clients.values())):
        content.update(np.asarray(leaf).tobytes())
    return content.hexdigest()[:16]
