"""What a client does in a round, as two pure functions without a client axis."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp

from fedpsyau_jax.federated.client_data import Identified
from fedpsyau_jax.federated.minibatch import Batch
from fedpsyau_jax.federated.regularizers import squared_prox
from fedpsyau_jax.types import (
    Array,
    ClientState,
    Float,
    Int,
    Metrics,
    ModelState,
    Params,
    PRNGKeyArray,
    PyTree,
)

__all__ = [
    "Broadcast",
    "ClientUpdate",
    "LossFn",
    "Steer",
    "TwoModels",
    "global_and_personal",
    "keep_state",
    "reported",
    "reset_state",
]

Memory = PyTree
LossFn: TypeAlias = Callable[
    [Params, ModelState, Batch, PRNGKeyArray], tuple[Float[Array, ""], tuple[ModelState, Metrics]]
]
Steer: TypeAlias = Callable[[Params, Int[Array, ""]], Params]
"""``(direction, epoch) -> direction``: what a step takes instead of the optimiser's direction."""


class Broadcast(NamedTuple):
    """What a client receives besides the weights, and how this round's training differs from the usual.

    ``anchor``, ``mu``: of the proximal term (no term if mu is None); ``round``: from 0; ``heard``: the clients'
    messages, as mixed for this client; ``objective``: from the loss to the loss that is trained, with the metrics of
    the former; ``steer``: changes the direction of each step. The last two are None where nothing changes.

    >>> halved = lambda loss: lambda *args: (loss(*args)[0] / 2, loss(*args)[1])
    >>> twice = Broadcast((), 0.0, 0).with_objective(halved).with_objective(halved)
    >>> twice.objective(lambda *args: (8.0, ()))()
    (2.0, ())
    """

    anchor: Params
    mu: Float[Array, ""] | None
    round: Int[Array, ""]
    heard: PyTree = ()
    objective: Callable[[LossFn], LossFn] | None = None
    steer: Steer | None = None

    def with_objective(self, objective: Callable[[LossFn], LossFn]) -> "Broadcast":
        """The same with one more change of the loss, outside of those before."""
        inner = self.objective
        return self._replace(objective=objective if inner is None else lambda loss: objective(inner(loss)))

    def drawn_to(self, anchor: Params, factor: Float[Array, ""]) -> "Broadcast":
        """The same with factor/2 ||w - anchor||^2 added to the loss instead of the training's own proximal term.

        So an algorithm whose paper squares the distance does so whatever regulariser the training has.

        >>> still = lambda params, *rest: (0.0 * params, ((), {}))
        >>> pulled = Broadcast((), jnp.array(9.0), 0).drawn_to(jnp.array(1.0), jnp.array(0.5))
        >>> pulled.mu, float(pulled.objective(still)(jnp.array(3.0))[0])
        (None, 1.0)
        """

        def drawn(loss: LossFn) -> LossFn:
            def of_batch(params: Params, *args: Any) -> PyTree:
                value, rest = loss(params, *args)
                return value + jnp.asarray(factor, value.dtype) * squared_prox(params, anchor), rest

            return of_batch

        return self._replace(mu=None).with_objective(drawn)


def _no_message(memory: Memory) -> PyTree:
    return ()


def _only_model(client: ClientState, memory: Memory) -> tuple[ClientState, ...]:
    return (client,)


class ClientUpdate(NamedTuple):
    """What one client does in a round.

    ``init(client) -> memory``: what the client stores between rounds besides its model;
    ``update(client, memory, broadcast, data, key) -> (client, memory, metrics)``;
    ``message(memory)``: what it sends besides its weights;
    ``models(client, memory)``: its models, where it has two the global and the personal one.
    Noise, compression or a drift correction is a function from one ClientUpdate to another.

    >>> idle = ClientUpdate(lambda client: (), lambda client, memory, broadcast, data, key: (client, memory, {}))
    >>> idle.models(ClientState(1.0, ()), memory=())
    (ClientState(params=1.0, model_state=()),)
    """

    init: Callable[[ClientState], Memory]
    update: Callable[[ClientState, Memory, Broadcast, Any, PRNGKeyArray], tuple[ClientState, Memory, Metrics]]
    message: Callable[[Memory], PyTree] = _no_message
    models: Callable[[ClientState, Memory], tuple[ClientState, ...]] = _only_model


def reported(metrics: Mapping[str, Any], name: str, by: str, of: str = "the clients' training") -> Any:
    """A metric that an algorithm needs.

    Args:
        metrics: by name.
        name: of the one needed.
        by: who needs it.
        of: whose metrics they are.

    Raises:
        ValueError: there is none; in one sentence.

    >>> reported({"steps": 3}, "rates", "SCAFFOLD")
    Traceback (most recent call last):
    ValueError: SCAFFOLD needs the metric 'rates' of the clients' training, which reports only steps: see local_training
    """
    if name not in metrics:
        known = ", ".join(metrics) or "nothing"
        raise ValueError(f"{by} needs the metric '{name}' of {of}, which reports only {known}: see local_training")
    return metrics[name]


def keep_state(client_update: ClientUpdate) -> ClientUpdate:
    """Keep the client's memory (optimiser state) from round to round."""
    return client_update


def reset_state(client_update: ClientUpdate) -> ClientUpdate:
    """Reinitialise the client's memory (optimiser state) each round, as in FedProx; nothing is stored."""

    def update(
        client: ClientState, memory: Memory, broadcast: Broadcast, data: Identified, key: PRNGKeyArray
    ) -> tuple[ClientState, Memory, Metrics]:
        fresh = client_update.init(client)
        client, _, metrics = client_update.update(client, fresh, broadcast, data, key)
        return client, memory, metrics

    return ClientUpdate(lambda client: (), update)


class TwoModels(NamedTuple):
    """The memory of a client that has a personal model beside the one it exchanges.

    ``inner``: memory of the training; ``personal``: the model; ``own``: whatever else the personal model needs.
    """

    inner: Memory
    personal: ClientState
    own: PyTree = ()


def global_and_personal(client: ClientState, memory: TwoModels) -> tuple[ClientState, ClientState]:
    """The ``models`` of a client whose memory is ``TwoModels``."""
    return client, memory.personal
