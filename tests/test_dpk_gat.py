from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest
from flax import linen as nn

from fedpsyau_jax.models.dpk_gat import DPKGAT, Heads, attend_dense, attend_graph, gat
from fedpsyau_jax.models.dropout import Dropout
from fedpsyau_jax.priors import Masking, Prior, neighbours, published, released, to_graph

GOLDEN = Path(__file__).parent / "parity" / "dpk_gat_seed0.npz"
TOLERANCE = {"float32": 2e-5, "float64": 1e-10}
IN, HIDDEN, HEADS, OUT = 5, 4, 3, 6
RNG = np.random.default_rng(7)
CHAIN = np.eye(6, dtype=bool) | np.eye(6, k=1, dtype=bool)
SIX_NODES = [
    np.eye(6, dtype=bool),  # everyone alone
    np.tri(6, k=-1, dtype=bool),  # the first hears nobody, not even itself
    CHAIN,  # directed
    np.kron(np.eye(2), np.ones((3, 3))).astype(bool),  # two components
    np.ones((6, 6), bool),
    *(RNG.random((6, 6)) < density for density in (0.1, 0.3, 0.5)),
]
OTHER_SIZES = [
    np.ones((1, 1), bool),
    np.ones((2, 2), bool),
    RNG.random((11, 11)) < 0.2,
    RNG.random((15, 15)) < 0.6,
]
WEIGHTS = (
    Heads(RNG.normal(size=(HEADS, IN, HIDDEN)), RNG.normal(size=(HEADS, 2 * HIDDEN))),
    Heads(RNG.normal(size=(1, HEADS * HIDDEN, OUT)), RNG.normal(size=(1, 2 * OUT))),
)


def random_prior(topology: np.ndarray, seed: int = 1) -> Prior:
    statistics = np.random.default_rng(seed).random(topology.shape)
    return Prior(topology, statistics / statistics.sum(axis=1, keepdims=True))


def random_nodes(topology: np.ndarray) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(len(topology), IN))


@jax.jit
def dense_gat(nodes: jax.Array, prior: Prior) -> jax.Array:
    return gat(partial(attend_dense, prior=prior, strength=0.3), *WEIGHTS, nodes)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def golden_cases() -> list[tuple[str, str]]:
    with np.load(GOLDEN) as arrays:
        return sorted({(n.split("/")[1], n.split("/")[2]) for n in arrays.files if "/ratio" in n})


def heads_of(golden: dict[str, np.ndarray], region: str, names: list[str], dtype: str) -> Heads:
    weights = [golden[f"w/au_model.{region}_gat.{name}.W"] for name in names]
    attentions = [golden[f"w/au_model.{region}_gat.{name}.a"][:, 0] for name in names]
    return Heads(np.stack(weights).astype(dtype), np.stack(attentions).astype(dtype))


def golden_results(attend: Callable, hidden: Heads, out: Heads, nodes: jax.Array) -> dict[str, jax.Array]:
    return {
        "layer0": nn.elu(attend(hidden, nodes)[..., 0, :]),
        "layer0_edges_only": nn.elu(attend(hidden, nodes, masking=neighbours)[..., 0, :]),
        "gat": gat(attend, hidden, out, nodes),
    }


@jax.jit
def golden_dense(hidden: Heads, out: Heads, nodes: jax.Array, prior: Prior, strength: float) -> dict[str, jax.Array]:
    return golden_results(partial(attend_dense, prior=prior, strength=strength, masking=released), hidden, out, nodes)


def golden_graph(hidden: Heads, out: Heads, nodes: jax.Array, prior: Prior, strength: float) -> dict[str, jax.Array]:
    def attend(heads: Heads, nodes: jax.Array, masking: Masking = released, **kwargs: Callable) -> jax.Array:
        return attend_graph(heads, nodes, to_graph(prior, masking), strength, **kwargs)

    return jax.jit(jax.vmap(partial(golden_results, attend, hidden, out)))(nodes)


@pytest.mark.parametrize(
    ("region", "ratio", "dtype", "run"),
    [
        *((*case, dtype, golden_dense) for case in golden_cases() for dtype in TOLERANCE),
        ("global", "ratio0.3", "float64", golden_graph),
    ],
)
def test_agrees_with_the_released_network(
    golden: dict[str, np.ndarray], region: str, ratio: str, dtype: str, run: Callable
) -> None:
    prior = Prior(golden[f"const/{region}_adj"] > 0, golden[f"const/{region}_prior"])
    hidden = heads_of(golden, region, ["attention_0", "attention_1", "attention_2"], dtype)
    out = heads_of(golden, region, ["out_att"], dtype)
    with jax.enable_x64(dtype == "float64"):
        nodes = golden[f"gat/{region}/in"].astype(dtype)
        ours = run(hidden, out, nodes, prior, 0.3 * float(ratio.removeprefix("ratio")))
    for name, values in ours.items():
        reference = golden[f"gat/{region}/{ratio}/{name}/f64"]
        assert values.dtype == dtype
        assert values.shape == reference.shape
        error = np.abs(np.asarray(values) - reference).max() / np.abs(reference).max()
        assert error < TOLERANCE[dtype], name


def padded(matrix: np.ndarray, num_rows: int, num_columns: int) -> np.ndarray:
    return np.pad(matrix, ((0, num_rows - matrix.shape[0]), (0, num_columns - matrix.shape[1])))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("masking", "topologies"),
    [(neighbours, SIX_NODES + OTHER_SIZES), (released, SIX_NODES)],
    ids=["neighbours", "released"],
)
def test_dense_and_graph_lowerings_are_one_map(masking: Masking, topologies: list[np.ndarray]) -> None:
    """Values, and gradients in weights, nodes, statistics and strength.

    The graphs run as one jraph batch, and as matrices padded to the largest graph. No node hears padding,
    and padding hears none: only masking to neighbours can tell, so the released one gets graphs of one size.
    """
    sizes = np.array([len(topology) for topology in topologies])
    largest = sizes.max()
    stack = np.stack([padded(topology, largest, largest) for topology in topologies])
    nodes = np.stack([padded(random_nodes(topology), largest, IN) for topology in topologies])
    statistics = np.stack([padded(random_prior(t).statistics, largest, largest) for t in topologies])
    projection = np.random.default_rng(9).normal(size=(len(topologies), largest, OUT))
    real = np.nonzero(np.arange(largest) < sizes[:, None])
    batch = jraph.batch([to_graph(random_prior(topology), masking) for topology in topologies])
    member = np.repeat(np.arange(len(sizes)), batch.n_edge)
    start = (np.cumsum(sizes) - sizes)[member]
    pairs = (member, np.asarray(batch.receivers) - start, np.asarray(batch.senders) - start)

    def dense(weights: tuple[Heads, Heads], nodes: jax.Array, statistics: jax.Array, strength: float) -> tuple:
        def one(nodes: jax.Array, prior: Prior) -> jax.Array:
            return gat(partial(attend_dense, prior=prior, strength=strength, masking=masking), *weights, nodes)

        result = jax.vmap(one)(nodes, Prior(stack, statistics))[real]
        return (projection[real] * result).sum(), result

    def graph(weights: tuple[Heads, Heads], nodes: jax.Array, statistics: jax.Array, strength: float) -> tuple:
        graphs = batch._replace(edges=batch.edges._replace(statistics=statistics[pairs]))
        result = gat(partial(attend_graph, graph=graphs, strength=strength), *weights, nodes[real])
        return (projection[real] * result).sum(), result

    with jax.enable_x64(True):
        both = [
            jax.jit(jax.value_and_grad(lowering, (0, 1, 2, 3), has_aux=True))(
                WEIGHTS, jnp.asarray(nodes), jnp.asarray(statistics), 0.4
            )
            for lowering in (dense, graph)
        ]
    for one, other in zip(*map(jax.tree.leaves, both), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)


def test_a_node_hears_its_neighbours_only_unless_masking_is_as_released() -> None:
    def hears(masking: Masking) -> np.ndarray:
        layer = partial(attend_dense, WEIGHTS[0], prior=random_prior(CHAIN), strength=0.3, masking=masking)
        return np.abs(jax.jit(jax.jacobian(layer))(random_nodes(CHAIN))).sum(axis=(1, 2, 4)) > 0

    np.testing.assert_array_equal(hears(neighbours), CHAIN)
    assert hears(released).all()


def test_relabelling_nodes_relabels_the_result() -> None:
    topology = SIX_NODES[-1]
    prior, nodes = random_prior(topology), random_nodes(topology)
    order = np.random.default_rng(0).permutation(len(topology))
    assert not np.array_equal(order, np.arange(6))
    moved = Prior(*(matrix[np.ix_(order, order)] for matrix in prior))
    np.testing.assert_allclose(dense_gat(nodes[order], moved), dense_gat(nodes, prior)[order], rtol=1e-4, atol=1e-6)


def test_all_prior_and_no_prior() -> None:
    """Strength 1 averages messages by the prior alone; strength 0 never reads the statistics."""
    topology = SIX_NODES[-1] | np.eye(6, dtype=bool)
    nodes = random_nodes(topology)
    prior, other = random_prior(topology), random_prior(topology, seed=2)
    masked = np.where(topology, np.exp(prior.statistics), 0)
    average = (masked / masked.sum(axis=1, keepdims=True)) @ np.einsum("ni,hio->hno", nodes, WEIGHTS[0].weight)
    layer = jax.jit(partial(attend_dense, WEIGHTS[0], jnp.asarray(nodes, jnp.float32)))
    np.testing.assert_allclose(layer(prior, 1.0), np.moveaxis(average, 0, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer(prior, 0.0), layer(other, 0.0))


@pytest.fixture(scope="module")
def module_and_variables() -> tuple[DPKGAT, dict]:
    module = DPKGAT()
    init = jax.jit(partial(module.init, train=False))
    return module, init(jax.random.key(1), np.ones((2, 6, 25), np.float32), published().upper, 0.3)


NODES = jnp.asarray(np.random.default_rng(2).normal(size=(2, 6, 25)), jnp.float32)


def test_module_draws_xavier_uniform_with_gain(module_and_variables: tuple[DPKGAT, dict]) -> None:
    params = module_and_variables[1]["params"]
    expected = {"W": (3, 25, 64), "a": (3, 128), "out_W": (192, 25), "out_a": (50,)}
    assert {name: values.shape for name, values in params.items()} == expected
    for name, fans in {"W": 25 + 64, "a": 128 + 1, "out_W": 192 + 25, "out_a": 50 + 1}.items():
        bound = 1.414 * np.sqrt(6 / fans)
        values = np.abs(np.asarray(params[name]))
        assert 0.9 * bound < values.max() <= bound
        assert values.mean() == pytest.approx(bound / 2, rel=0.2)


@pytest.mark.slow
def test_module_drops_only_in_training(module_and_variables: tuple[DPKGAT, dict]) -> None:
    module, variables = module_and_variables
    evaluated = jax.jit(partial(module.apply, train=False))(variables, NODES, published().upper, 0.3)
    train = jax.jit(
        lambda key: module.apply(variables, NODES, published().upper, 0.3, train=True, rngs={"dropout": key})
    )
    one, same, other = (train(jax.random.key(seed, impl="rbg")) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    assert not np.allclose(one, evaluated)


@pytest.mark.slow
def test_module_draws_each_dropout_mask_anew() -> None:
    """Four masks, two on the inputs of the layers and two on attention, none a copy of another."""
    module, nodes = DPKGAT(hidden=2, heads=2, out=4), jnp.ones((64, 4, 4))
    prior = Prior(np.ones((4, 4), bool), np.full((4, 4), 0.25))

    params = {"W": np.ones((2, 4, 2)), "a": np.ones((2, 4)), "out_W": np.ones((4, 4)), "out_a": np.ones(8)}

    def masks(key: jax.Array) -> list[jax.Array]:
        dropped = []

        def record(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> jax.Array:
            kept = call(*args, **kwargs)
            if isinstance(context.module, Dropout):
                dropped.append(kept == 0)
            return kept

        with nn.intercept_methods(record):
            module.apply({"params": params}, nodes, prior, 1.0, train=True, rngs={"dropout": key})
        return dropped

    drawn = [np.asarray(mask) for mask in jax.jit(masks)(jax.random.key(0, impl="rbg"))]
    assert [mask.shape for mask in drawn] == [(64, 4, 4), (64, 2, 4, 4), (64, 4, 4), (64, 1, 4, 4)]
    assert all(0.4 < mask.mean() < 0.7 for mask in drawn)
    assert not np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[1][:, 0], drawn[1][:, 1])
    assert not np.array_equal(drawn[1][:, 0], drawn[3][:, 0])


@pytest.mark.slow
def test_prior_and_ratio_may_be_traced(module_and_variables: tuple[DPKGAT, dict]) -> None:
    module, variables = module_and_variables
    apply = jax.jit(partial(module.apply, variables, NODES, train=False))
    priors = jax.tree.map(lambda *each: np.stack(each), published().upper, published().lower)
    together = jax.jit(jax.vmap(apply))(priors, np.array([0.0, 1.0]))
    np.testing.assert_allclose(together[0], apply(published().upper, 0.0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(together[1], apply(published().lower, 1.0), rtol=1e-4, atol=1e-5)
