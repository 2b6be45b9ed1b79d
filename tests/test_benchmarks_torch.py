"""The network of ``benchmarks/peers/torch_network.py`` gives what ours gives for the same weights."""

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedpsyau_jax.interop import to_released
from fedpsyau_jax.models.fedpsyau import VARIANTS, network
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Batch, ClientState, Examples, Model

pytestmark = pytest.mark.slow
CLASSES, COUNT, RATIO = 7, 4, 0.3


@pytest.fixture(scope="module")
def theirs() -> Any:
    """The module, where PyTorch is installed."""
    pytest.importorskip("torch", reason="the extra bench is not installed")
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "peers"))
    try:
        import torch_network
    finally:
        sys.path.pop(0)
    return torch_network


def random_batch() -> Batch:
    draw = np.random.default_rng(0)
    flow, patches = (draw.random(shape, np.float32) for shape in ((COUNT, 28, 28, 3), (COUNT, 65, 5, 5, 3)))
    au = np.zeros((COUNT, 12), np.float32)
    return Batch(Examples(*map(jnp.asarray, (flow, patches, au, au, np.zeros(COUNT, int)))), jnp.ones(COUNT))


def random_client(model: Model, batch: Batch) -> ClientState:
    """Weights as drawn; batch statistics are random too, so that they matter."""
    params, statistics = model.init(jax.random.key(0), batch)
    draws = iter(jax.random.split(jax.random.key(1), 99))
    return ClientState(params, jax.tree.map(lambda leaf: 0.5 + jax.random.uniform(next(draws), leaf.shape), statistics))


def test_logits_agree(theirs: Any) -> None:
    import torch

    batch, priors = random_batch(), jax.tree.map(jnp.asarray, published())
    model = network(CLASSES, VARIANTS["full"], priors, RATIO)
    client = random_client(model, batch)
    ours, _ = model.apply(*client, batch, None, train=False)

    whole = theirs.Whole([tuple(torch.tensor(np.array(own)) for own in prior) for prior in priors], RATIO).eval()
    state = {name: torch.tensor(np.asarray(array)) for name, array in to_released(client).items()}
    unused = whole.load_state_dict(state, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in unused.missing_keys)
    assert not unused.unexpected_keys
    with torch.no_grad():
        emotion, main, auxiliary = whole(
            torch.tensor(np.array(batch.examples.flow)).permute(0, 3, 1, 2),
            torch.tensor(np.array(batch.examples.patches)).permute(0, 1, 4, 2, 3),
        )
    for own, other in ((ours.emotion_logits, emotion), (ours.au.logits, main), (ours.au.auxiliary_logits, auxiliary)):
        np.testing.assert_allclose(own, other.numpy(), rtol=1e-4, atol=1e-5)
