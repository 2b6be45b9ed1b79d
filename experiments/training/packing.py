"""Adapt a network's functions to packed clients (small arrays joined into vectors) and batches of indices."""

from collections.abc import Callable
from typing import NamedTuple

from fedpsyau_jax.federated import LossFn
from fedpsyau_jax.packing import Packing, packing
from fedpsyau_jax.types import Array, Batch, ClientState, Metrics, ModelState, Params, PRNGKeyArray, PyTree

Predict = Callable[[ClientState, Batch], PyTree]


class ClientPacking(NamedTuple):
    """Adapts a network's functions to packed clients and batches of indices."""

    params: Packing
    model_state: Packing

    def pack(self, client: ClientState) -> ClientState:
        """A client with its small arrays joined into one vector each for parameters and state."""
        return ClientState(self.params.pack(client.params), self.model_state.pack(client.model_state))

    def unpack(self, client: ClientState) -> ClientState:
        """A client with the network's own tensors."""
        return ClientState(self.params.unpack(client.params), self.model_state.unpack(client.model_state))

    def loss(self, of_examples: LossFn, gather: Callable[[Batch], Batch]) -> LossFn:
        """The loss of a packed client on a batch of indices, whose examples ``gather`` looks up."""

        def of_indices(
            params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
        ) -> tuple[Array, tuple[ModelState, Metrics]]:
            client = self.unpack(ClientState(params, model_state))
            value, (updated, metrics) = of_examples(*client, gather(batch), key)
            return value, (self.model_state.pack(updated), metrics)

        return of_indices

    def predict(self, of_examples: Predict, gather: Callable[[Batch], Batch]) -> Predict:
        """The predictions of a packed client for a batch of indices, whose examples ``gather`` looks up."""
        return lambda client, batch: of_examples(self.unpack(client), gather(batch))


def client_packing(like: ClientState) -> ClientPacking:
    """The packing of clients with these shapes."""
    return ClientPacking(packing(like.params), packing(like.model_state))
