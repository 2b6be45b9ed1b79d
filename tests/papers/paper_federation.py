"""A ``Problem`` of the references as one of the package: the same losses in JAX, full-batch gradient steps, float64."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fedpsyau_jax import federated as fed
from fedpsyau_jax.types import ClientState
from tests.papers.paper_problem import Problem, Round, Vector

ROUNDS = 10
ETA = 0.1


class Trained(NamedTuple):
    """After each round, [rounds, clients, d]: the clients' models, and their personal ones."""

    clients: Vector
    personal: Vector


def labels(params: Any) -> Any:
    return {name: fed.GROUPS.index(name) for name in params}


def logistic_loss(params: Any, model_state: Any, batch: Any, key: Any, ridge: float = 0.1) -> Any:
    x, y = batch.examples
    logits = x @ jnp.concatenate([params[name] for name in ("body", "head", "norm")])
    penalty = ridge / 2 * sum((leaf**2).sum() for leaf in params.values())
    return fed.masked_mean(jnp.logaddexp(0, logits) - y * logits, batch.mask) + penalty, (model_state, {})


def softmax_loss(params: Any, model_state: Any, batch: Any, key: Any) -> Any:
    x, y = batch.examples
    each = optax.softmax_cross_entropy_with_integer_labels(x @ params["body"] @ params["head"], y)
    return fed.masked_mean(each, batch.mask), (model_state, {})


def quadratic_loss(params: Any, model_state: Any, batch: Any, key: Any) -> Any:
    curvature, centre = batch.examples
    each = curvature / 2 * (params["w"][0] - centre) ** 2
    return fed.masked_mean(each, batch.mask), (model_state, {})


REPRESENTATION = fed.Representation(
    lambda params, state, batch, key: batch.examples[0] @ params["body"], lambda batch: batch.examples[1], 2, 3
)


def data_of(problem: Problem) -> fed.ClientData:
    """The clients' examples, padded to one length."""
    longest = max(len(one.labels) for one in problem.examples)

    def padded(values: np.ndarray) -> np.ndarray:
        return np.pad(values, [(0, longest - len(values))] + [(0, 0)] * (values.ndim - 1))

    x, y, mask = (
        jnp.stack([jnp.asarray(padded(values(one))) for one in problem.examples])
        for values in (lambda e: e.inputs, lambda e: e.labels, lambda e: np.ones(len(e.labels)))
    )
    return fed.ClientData(jnp.arange(len(x)), (x, y), mask)


def train(
    strategy: fed.Strategy,
    problem: Problem,
    loss: Any,
    data: fed.ClientData,
    steps: int,
    eta: float = ETA,
    rounds: int = ROUNDS,
    groups: Any = labels,
    regularizer: fed.Regularizer = fed.squared_prox,
) -> Trained:
    """Rounds of the package's algorithm."""
    size = data.mask.shape[-1]
    training = fed.local_training(
        loss, optax.identity(), optax.constant_schedule(eta), regularizer, batch_size=size, local_epochs=steps
    )
    algorithm = fed.federated(strategy, training, problem=fed.Problem(groups, loss, REPRESENTATION))
    start = algorithm.init(ClientState(jax.tree.map(jnp.asarray, problem.named(problem.start)), ()))

    @jax.jit
    def history(state: fed.FedState, data: fed.ClientData) -> Any:
        def one(state: fed.FedState, _: None) -> Any:
            state, _ = algorithm.step(state, data, jax.random.key(0))
            return state, (state.clients.params, algorithm.tested(state).params)

        return jax.lax.scan(one, state, length=rounds)[1]

    return Trained(*map(partial(_flat, problem), history(start, data)))


def quadratics(problem: Problem, curvatures: Any, centres: Any) -> fed.ClientData:
    """f_k(w) = h_k / 2 (w - c_k)^2, as one example of each client."""
    columns = [jnp.asarray(values)[:, None] for values in (curvatures, centres)]
    return fed.ClientData(jnp.arange(len(problem.sizes)), tuple(columns), jnp.ones((len(problem.sizes), 1)))


def _flat(problem: Problem, params: Any) -> Vector:
    return np.concatenate([np.asarray(params[n]).reshape(*params[n].shape[:2], -1) for n in problem.shapes], axis=-1)


def clients_of(history: list[Round]) -> Vector:
    return np.stack([one.clients for one in history])


def personal_of(history: list[Round]) -> Vector:
    return np.stack([one.personal if one.personal is not None else one.clients for one in history])
