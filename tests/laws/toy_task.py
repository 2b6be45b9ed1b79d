"""A task small enough to compile in a second: softmax regression on the mean flow of blocks of pixels."""

import jax
import jax.numpy as jnp

from experiments.training.store import look_up
from experiments.training.task import Context, Task
from fedpsyau_jax.federated import masked_mean
from fedpsyau_jax.types import Batch, ClientState

NUM_CLASSES = 7


def toy_task() -> Task:
    """Weights [features, classes]; the prior ratio scales the inputs, so that its schedule matters."""

    def inputs(context: Context, batch: Batch) -> jax.Array:
        flow = look_up(context.store, batch).examples.flow
        blocks = flow.reshape(len(flow), 4, 7, 4, 7, 3).mean(axis=(2, 4))
        return blocks.reshape(len(flow), -1) * (1 + context.ratio)

    def init(key: jax.Array, context: Context) -> ClientState:
        del context
        return ClientState({"w": jax.random.normal(key, (48, NUM_CLASSES))}, {"seen": jnp.zeros(())})

    def loss(context: Context):
        def of_batch(params, model_state, batch, key):
            noise = jax.random.normal(key, (len(batch.mask), 1)) * 0.01
            logits = inputs(context, batch) @ params["w"] + noise
            emotion = look_up(context.store, batch).examples.emotion
            each = -jax.nn.log_softmax(logits)[jnp.arange(len(emotion)), emotion]
            count = batch.mask.sum()
            value = masked_mean(each, batch.mask)
            state = {"seen": model_state["seen"] + count}
            return value, (state, {"loss_sum": value * count, "num_examples": count})

        return of_batch

    def predict(context: Context):
        return lambda client, batch: {"emotion": inputs(context, batch) @ client.params["w"]}

    return Task(init, loss, predict, lambda params: params, lambda client: client, None)
