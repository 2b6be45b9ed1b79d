"""The network: shapes, variants, padding, evaluation, and what becomes of it in a federated round."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fedpsyau_jax.losses import classification_loss, detection_loss
from fedpsyau_jax.models.fedpsyau import VARIANTS, Architecture, Detected, au_detector, emotion_classifier, network
from fedpsyau_jax.models.lrm import SpatialEncoder
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import Batch, ClientState, Examples, Model

PRIORS = published()
REAL = np.array([True, False, True, False])
FIRST = np.array([True, False, False, False])
DETECTOR = au_detector(Architecture(), PRIORS, 0.3)
CLASSIFIER = emotion_classifier(3)
KEY = jax.random.key(1)


def uniform(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).random(shape), jnp.float32)


def random_examples(num: int = len(REAL), seed: int = 0) -> Examples:
    au = jnp.round(uniform(num, 12, seed=seed))
    patches = uniform(num, 65, 5, 5, 3, seed=seed)
    return Examples(uniform(num, 28, 28, 3, seed=seed), patches, au, jnp.ones_like(au), jnp.arange(num) % 3)


def batch_of(examples: Any, real: np.ndarray = REAL) -> Batch:
    return Batch(examples, jnp.asarray(real, jnp.float32))


def replaced(examples: Any, kept: np.ndarray) -> Any:
    """Those not kept become wild."""

    def replace(leaf: jax.Array) -> jax.Array:
        return jnp.where(kept.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 30 * leaf[::-1])

    floats = {name: replace(leaf) for name, leaf in examples._asdict().items() if leaf.dtype == jnp.float32}
    return examples._replace(**floats, emotion=jnp.where(kept, examples.emotion, examples.emotion[::-1]))


def random_client(model: Model, batch: Batch, **fixed: float) -> ClientState:
    """Weights of unit gain; biases and statistics random too, unless fixed by name. (No compilation.)"""
    generator = np.random.default_rng(0)

    def draw(path: Any, leaf: Any) -> jax.Array:
        if path[-1].key in fixed:
            return jnp.full(leaf.shape, fixed[path[-1].key], leaf.dtype)
        if len(leaf.shape) == 1:
            return jnp.asarray(generator.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
        return jnp.asarray(generator.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[:-1])), leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, jax.eval_shape(model.init, jax.random.key(0), batch))


@jax.jit
def evaluate(client: ClientState, batch: Batch, priors: Any, ratio: Any) -> Any:
    return network(3, Architecture(), priors, ratio).apply(*client, batch, None, train=False)[0]


@partial(jax.jit, static_argnames=("model", "loss"))
def learn(model: Model, loss: Any, client: ClientState, batch: Batch, key: jax.Array) -> Any:
    """Loss, model state, metrics and gradients of one step of training."""
    return jax.value_and_grad(loss(model), has_aux=True)(*client, batch, key)


learn_to_detect = partial(learn, DETECTOR, detection_loss)
learn_to_classify = partial(learn, CLASSIFIER, classification_loss)


def assert_same(actual: Any, expected: Any, tolerance: float = 1e-6) -> None:
    def assert_leaf(a: Any, b: Any) -> None:
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))

    jax.tree.map(assert_leaf, actual, expected)


def farthest(one: Any, other: Any) -> float:
    gaps = jax.tree.map(lambda a, b: np.abs(np.asarray(a) - np.asarray(b)).max(), one, other)
    return jax.tree.reduce(max, gaps)


def rows(outputs: Any, chosen: np.ndarray) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], outputs)


@pytest.fixture(scope="module")
def client() -> ClientState:
    return random_client(network(3, Architecture(), PRIORS, 0.3), batch_of(random_examples()))


@pytest.fixture(scope="module")
def detector(client) -> ClientState:
    return ClientState(client.params["au"], client.model_state["au"])


@pytest.mark.parametrize(
    ("name", "num_classes"),
    [
        ("full", 7),
        *(pytest.param(name, 7, marks=pytest.mark.slow) for name in VARIANTS if name != "full"),
        pytest.param("full", 3, marks=pytest.mark.slow),
    ],
)
def test_shapes_of_the_variants(name, num_classes):
    model, batch = network(num_classes, VARIANTS[name], PRIORS, 0.3), batch_of(random_examples())
    client = jax.eval_shape(model.init, jax.random.key(0), batch)
    parts = {"features", "auxiliary", "main", "local"}
    parts |= {"spatial"} if name != "no-transformer-no-gat" else set()
    parts |= {"upper", "lower"} if name in ("full", "regional-only") else set()
    parts |= {"global"} if name in ("full", "global-only") else set()
    assert set(client.params["au"]) == parts
    outputs, state = jax.eval_shape(partial(model.apply, train=True), *client, batch, jax.random.key(0))
    assert outputs.emotion_logits.shape == (4, num_classes)
    assert [leaf.shape for leaf in outputs.au] == [(4, 12), (4, 12), (4, 12, 25)]
    assert {leaf.dtype for leaf in jax.tree.leaves((client, outputs))} == {jnp.dtype("float32")}
    assert state == client.model_state


@pytest.mark.slow
def test_an_action_unit_reads_its_region_only():
    """Without transformer and graphs: AU nodes of one face, and of 65 with one patch changed each."""
    face = random_examples(1)
    patches = jnp.tile(face.patches, (66, 1, 1, 1, 1))
    patches = patches.at[jnp.arange(65), jnp.arange(65)].add(0.5)
    batch = batch_of(random_examples(66)._replace(patches=patches), np.ones(66))
    model = au_detector(VARIANTS["no-transformer-no-gat"], PRIORS, 0.3)
    client = random_client(model, batch_of(face, np.ones(1)), bias=2)
    outputs, _ = jax.jit(partial(model.apply, train=False))(*client, batch, None)
    features = np.asarray(outputs.features)
    moves = np.abs(features[:65] - features[65]).max(axis=-1) > 1e-5
    regions = {range(3): [*range(23)], range(3, 6): [*range(22), *range(32, 52), *range(59, 65)]}
    regions |= {range(6, 8): [*range(52)], range(8, 12): [*range(27, 65)]}
    for aus, landmarks in regions.items():
        assert np.flatnonzero(moves[:, list(aus)].any(axis=1)).tolist() == landmarks


def assert_padding_is_not_learnt(learn_part: Any, examples: Any) -> None:
    other = replaced(examples, REAL)
    padded, differently = (learn_part(batch_of(e), KEY) for e in (examples, other))
    assert_same(padded, differently)
    assert farthest(learn_part(batch_of(other, np.ones(4)), KEY), padded) > 0.1


@pytest.mark.slow
def test_padding_changes_nothing_in_the_training_of_the_detector(detector):
    """Loss, batch statistics, metrics and gradients, whatever is in the padding."""
    assert_padding_is_not_learnt(partial(learn_to_detect, detector), random_examples())


@pytest.mark.slow
def test_padding_changes_nothing_in_the_training_of_the_classifier():
    examples = Detected(uniform(4, 8, 8, 3), uniform(4, 12, 25), jnp.arange(4) % 3)  # small: quick to compile
    client = random_client(CLASSIFIER, batch_of(examples))
    assert_padding_is_not_learnt(partial(learn_to_classify, client), examples)


@pytest.mark.slow
@pytest.mark.parametrize("across_batch", [False, True])
def test_attention_does_not_hear_padding(across_batch):
    """An example padded to a batch is as alone; across a batch, real neighbours do matter."""
    encoder = SpatialEncoder(hidden=32, across_batch=across_batch)
    tokens = jax.random.normal(jax.random.key(0), (4, 6, 15))
    weights = jax.jit(partial(encoder.init, train=False))(jax.random.key(1), tokens, jnp.ones(4))
    encode = jax.jit(partial(encoder.apply, train=False))
    alone = encode(weights, tokens[:1], jnp.ones(1))
    assert_same(encode(weights, tokens, jnp.asarray(FIRST, jnp.float32))[:1], alone)
    assert (farthest(encode(weights, tokens, jnp.ones(4))[:1], alone) > 1e-2) == across_batch


@pytest.mark.slow
def test_a_prediction_does_not_depend_on_its_batch(client):
    examples = random_examples()
    wild = replaced(examples, FIRST)
    for real in (np.ones(4), FIRST):
        one, other = (evaluate(client, batch_of(e, real), PRIORS, 0.3) for e in (examples, wild))
        assert farthest(one, other) > 0.1
        assert_same(rows(one, FIRST), rows(other, FIRST))


@pytest.mark.slow
def test_a_prediction_across_the_batch_depends_on_its_batch(detector):
    """And still not on padding."""
    model = au_detector(Architecture(across_batch=True, regional=False, global_=False), PRIORS, 0.3)
    detect = jax.jit(lambda batch: model.apply(*detector, batch, None, train=False)[0])
    examples = random_examples()
    batches = (examples, FIRST), (replaced(examples, FIRST), FIRST), (examples, np.ones(4))
    alone, padded, among_others = (rows(detect(batch_of(*batch)), FIRST) for batch in batches)
    assert_same(alone, padded)
    assert farthest(alone, among_others) > 1e-3


@pytest.mark.slow
def test_gradients_of_a_face_at_rest_are_finite():
    """Without biases every AU node has length 0 there, and that norm has no derivative."""
    still = batch_of(random_examples()._replace(patches=jnp.zeros((4, 65, 5, 5, 3))))
    client = random_client(network(3, Architecture(), PRIORS, 0.3), still, bias=0, mean=0)
    assert not np.any(evaluate(client, still, PRIORS, 0.3).au.features)
    detector = ClientState(client.params["au"], client.model_state["au"])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(learn_to_detect(detector, still, KEY)))


@pytest.mark.slow
def test_statistics_count_as_much_as_the_prior_ratio(client):
    def detected_with(ratio: float, priors: Any) -> Any:
        return evaluate(client, batch_of(random_examples()), priors, ratio).au

    flat = jax.tree.map(lambda leaf: leaf if leaf.dtype == bool else np.full_like(leaf, 1 / len(leaf)), PRIORS)
    none, some, full = (farthest(detected_with(r, flat), detected_with(r, PRIORS)) for r in (0.0, 0.3, 1.0))
    assert none == 0
    assert full > 2 * some > 1e-4


@pytest.mark.slow
def test_dropout_follows_its_key(detector):
    def trained(seed: int) -> Any:
        return learn_to_detect(detector, batch_of(random_examples()), jax.random.key(seed))

    once, again, other = (trained(seed) for seed in (1, 1, 2))
    assert_same(once, again, tolerance=0)
    assert abs(once[0][0] - other[0][0]) > 1e-3
