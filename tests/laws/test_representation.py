"""What algorithms know of the networks: groups of packed weights, and the representation before the last layer."""

import jax
import numpy as np
import pytest
from engine_on_random_data import DATA, SPLIT, federation, noise, table

from experiments.training.plan import arrays
from experiments.training.program import context_of
from experiments.training.shapes import store_like, task_of
from fedpsyau_jax.federated import GROUPS
from fedpsyau_jax.splits import Split
from fedpsyau_jax.types import Batch

HEAD = 1792 * 7 + 7
SPLITS = [[Split("all", SPLIT.clients)]]


@pytest.fixture(scope="module", params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["frozen", "whole"])
def case(request):
    """Task, and the shapes of its context, clients and labels."""
    rows = noise()
    (group,) = table(federation(request.param, 1), SPLITS, rows).groups
    task = task_of(group, len(DATA.class_names), store_like(group, rows))
    own = jax.tree.map(lambda leaf: leaf[0], arrays(group, [0], 1, np.arange(len(DATA.clip)), 3))
    context = jax.eval_shape(lambda store: context_of(store, own, 0), store_like(group, rows))
    client = jax.eval_shape(task.init, jax.random.key(0), context)
    return request.param, task, context, client


def test_each_packed_weight_has_a_group(case):
    whole, task, _, client = case
    labels = task.labels(client.params)
    assert labels.small.shape == client.params.small.shape
    assert labels.large == (GROUPS.index("body"),) * len(client.params.large)
    counts = dict(zip(*np.unique(labels.small, return_counts=True), strict=True))
    assert counts[GROUPS.index("head")] == HEAD
    norms = 2 * (48 + 48 + 144 + 144 + 18 + 18 + 48 + 48)  # gains and offsets of DSI's eight normalisations
    assert counts[GROUPS.index("norm")] > norms if whole else counts[GROUPS.index("norm")] == norms
    assert (GROUPS.index("backbone") in counts) == whole


@pytest.mark.slow
def test_labels_are_those_of_the_networks_own_tensors(case):
    _, task, _, client = case
    labels = jax.device_get(task.labels(client.params))
    marked = labels._replace(large=tuple(np.full(leaf.shape, 0) for leaf in client.params.large))
    own = task.unpack(marked)
    dsi = own.get("dsi", own)
    assert set(np.unique(dsi["classify"]["kernel"])) == {GROUPS.index("head")}
    assert set(np.unique(dsi["au_1"]["norm"]["scale"])) == {GROUPS.index("norm")}
    assert set(np.unique(dsi["au_1"]["three"]["kernel"])) == {GROUPS.index("body")}


def test_a_representation_is_what_the_last_layer_reads(case):
    _, task, context, client = case
    representation = jax.eval_shape(
        lambda context, client, batch, key: task.representation(context).features(*client, batch, key),
        context,
        client,
        Batch(jax.ShapeDtypeStruct((3,), np.int32), jax.ShapeDtypeStruct((3,), np.float32)),
        jax.random.key(0),
    )
    assert representation.shape == (3, 1792)
