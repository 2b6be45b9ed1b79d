"""A network's own functions, made to take clients whose small arrays are packed, and batches of indices."""

from collections.abc import Callable
from typing import NamedTuple

from fedpsyau_jax.federated import LossFn
from fedpsyau_jax.packing import Packing, packing
from fedpsyau_jax.types import Array, Batch, ClientState, Metrics, ModelState, Params, PRNGKeyArray, PyTree

Predict = Callable[[ClientState, Batch], PyTree]


class ClientPacking(NamedTuple):
    """A network's own functions, made to take packed clients and batches of indices."""

    params: Packing
    model_state: Packing

    def pack(self, client: ClientState) -> ClientState:
        """A client's small arrays as one vector each."""
        return ClientState(self.params.pack(client.params), self.model_state.pack(client.model_state))

    def unpack(self, client: ClientState) -> ClientState:
        """A client as the network has it."""
        return ClientState(self.params.unpack(client.params), self.model_state.unpack(client.model_state))

    def loss(self, of_examples: LossFn, found: Callable[[Batch], Batch]) -> LossFn:
        """The loss of the examples that are found for a batch of indices."""

        def of_indices(
            params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray
        ) -> tuple[Array, tuple[ModelState, Metrics]]:
            client = self.unpack(ClientState(params, model_state))
            value, (updated, metrics) = of_examples(*client, found(batch), key)
            return value, (self.model_state.pack(updated), metrics)

        return of_indices

    def predict(self, of_examples: Predict, found: Callable[[Batch], Batch]) -> Predict:
        """The predictions for the examples that are found for a batch of indices."""
        return lambda client, batch: of_examples(self.unpack(client), found(batch))


def client_packing(like: ClientState) -> ClientPacking:
    """How to pack clients like this one."""
    return ClientPacking(packing(like.params), packing(like.model_state))
