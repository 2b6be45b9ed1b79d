"""A network whose batch statistics never change, so that nothing about examples leaves through them."""

from typing import Any

from fedpsyau_jax.types import Batch, Model, ModelState, Params, PRNGKeyArray

__all__ = ["frozen_statistics"]


def frozen_statistics(model: Model) -> Model:
    """The same network, in evaluation mode also while it is trained.

    Its normalisation layers keep the statistics that they start with (mean 0 and variance 1, or those of a pretrained
    part) and become gains and offsets, which are trained like all weights; there is no dropout. So an example's
    gradient depends on no other example, and the model state, which nobody clips, says nothing.

    >>> import jax.numpy as jnp
    >>> from fedpsyau_jax.types import ClientState
    >>> counting = Model(lambda key, batch: ClientState((), 0), lambda *given, train: ("outputs", given[1] + train))
    >>> inputs = ((), 0, Batch((), jnp.ones(1)), None)
    >>> counting.apply(*inputs, train=True), frozen_statistics(counting).apply(*inputs, train=True)
    (('outputs', 1), ('outputs', 0))
    """

    def apply(
        params: Params, model_state: ModelState, batch: Batch, key: PRNGKeyArray | None, *, train: bool
    ) -> tuple[Any, ModelState]:
        del key, train
        outputs, _ = model.apply(params, model_state, batch, None, train=False)
        return outputs, model_state

    return Model(model.init, apply)
