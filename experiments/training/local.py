"""What a client does in a round by a recipe, before any algorithm changes it."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.training.plan import Recipe
from experiments.training.task import Context, Task
from fedpsyau_jax.federated import (
    ClientUpdate,
    Regularizer,
    equal_batches,
    keep_state,
    local_training,
    norm_prox,
    reset_state,
    squared_prox,
)
from fedpsyau_jax.federated.private import noised_delta, private_training

OPTIMIZER_STATE = {"reset": reset_state, "kept": keep_state}


def learning_rates(recipe: Recipe, num_train: int) -> optax.Schedule:
    """The learning rate of each step of a client, relative to the maximum; never 0 before the end."""
    steps_an_epoch = recipe.steps_an_epoch if recipe.private == "subject" else -(-num_train // recipe.batch)
    if recipe.schedule == "cosine":
        num_steps = max(recipe.rounds * recipe.local_epochs * steps_an_epoch, 2)
        warmup = min(steps_an_epoch, num_steps - 1)
        return optax.warmup_cosine_decay_schedule(1 / steps_an_epoch, 1.0, warmup, num_steps)
    steps = max(min(recipe.warmup_epochs, recipe.local_epochs) * steps_an_epoch, 1)
    return optax.linear_schedule(1 / steps, 1.0, steps - 1)


def client_update(recipe: Recipe, task: Task, context: Context, num_train: int) -> ClientUpdate:
    """Local training by the recipe."""
    numbers, relative = context.numbers, learning_rates(recipe, num_train)
    steps = [optax.scale_by_adam(), optax.add_decayed_weights(numbers.weight_decay)]
    if (rates := task.rates) is not None:
        steps.append(optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, rates())))
    given = (
        task.loss(context),
        optax.chain(*steps),
        lambda step: numbers.learning_rate * relative(step),
        squared_prox if recipe.proximal == "squared" else _of_tensors(norm_prox, task),
    )
    how: dict[str, Any] = {
        "local_epochs": recipe.local_epochs,
        "optimizer_state": OPTIMIZER_STATE[recipe.optimizer_state],
    }
    if recipe.private == "subject":
        assert numbers.clip is not None
        assert numbers.noise is not None
        return private_training(*given, clip=numbers.clip, noise=numbers.noise, sampling=recipe.sampling, **how)
    update = local_training(*given, batch_size=equal_batches(num_train, recipe.batch), **how)
    if recipe.private == "client":
        assert numbers.clip is not None
        assert numbers.noise is not None
        return noised_delta(update, clip=numbers.clip, share=numbers.noise)
    return update


def _of_tensors(regularizer: Regularizer, task: Task) -> Regularizer:
    """Apply a regulariser for the network's own tensors to packed parameters."""
    return lambda params, anchor: regularizer(task.unpack(params), task.unpack(anchor))
