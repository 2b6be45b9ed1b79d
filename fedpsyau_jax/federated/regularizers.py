"""Proximal terms, (params, anchor) -> scalar: a penalty for the distance between local weights and their anchor."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import optax

from fedpsyau_jax.types import Array, Float, Params

__all__ = ["Regularizer", "norm_prox", "squared_prox"]

Regularizer: TypeAlias = Callable[[Params, Params], Float[Array, ""]]


def squared_prox(params: Params, anchor: Params) -> Float[Array, ""]:
    """FedProx's proximal term, 1/2 ||w - w_anchor||^2 over all parameters together.

    Args:
        params: the weights in training.
        anchor: the weights to stay near, of the same structure.

    Returns:
        The term without its factor mu.

    Source: Li et al., Federated Optimization in Heterogeneous Networks, MLSys 2020, eq. 2.

    >>> print(squared_prox({"w": jnp.array([3.0, 4.0])}, {"w": jnp.zeros(2)}))
    12.5
    """
    terms = jax.tree.map(lambda w, a: jnp.vdot(w - a, w - a), params, anchor)
    return jax.tree.reduce(jnp.add, terms) / 2


def norm_prox(params: Params, anchor: Params) -> Float[Array, ""]:
    """The released implementation's proximal term, 1/2 sum_t ||w_t - a_t|| over tensors t: unsquared norms.

    Its gradient has the same length at any distance. At distance 0 the gradient is 0, as in PyTorch.

    Args:
        params: the weights in training.
        anchor: the weights to stay near, of the same structure.

    Returns:
        The term without its factor mu.

    Source: the released code of FED-PsyAU. Provided for compatibility: FedProx defines ``squared_prox``.

    >>> print(norm_prox({"w": jnp.array([3.0, 4.0])}, {"w": jnp.zeros(2)}))
    2.5
    """
    norms = jax.tree.map(lambda w, a: optax.safe_norm(jnp.ravel(w - a), 0.0), params, anchor)
    return jax.tree.reduce(jnp.add, norms) / 2
