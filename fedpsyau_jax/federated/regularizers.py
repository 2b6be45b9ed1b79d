"""Proximal terms: how far the local weights may drift from their anchor, (params, anchor) -> scalar."""

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
        anchor: the weights that they should stay near, of the same structure.

    Returns:
        The term without its factor mu.

    Source: Li et al., Federated Optimization in Heterogeneous Networks, MLSys 2020, eq. 2.
    """
    terms = jax.tree.map(lambda w, a: jnp.vdot(w - a, w - a), params, anchor)
    return jax.tree.reduce(jnp.add, terms) / 2


def norm_prox(params: Params, anchor: Params) -> Float[Array, ""]:
    """The released implementation's proximal term, 1/2 sum_t ||w_t - a_t|| over tensors t: unsquared norms.

    Its pull is equally strong at any distance. At distance 0 its gradient is taken as 0, as PyTorch does.

    Args:
        params: the weights in training.
        anchor: the weights that they should stay near, of the same structure.

    Returns:
        The term without its factor mu.

    Source: the released code of FED-PsyAU; a compatibility choice, ``squared_prox`` is what FedProx defines.
    """
    norms = jax.tree.map(lambda w, a: optax.safe_norm(jnp.ravel(w - a), 0.0), params, anchor)
    return jax.tree.reduce(jnp.add, norms) / 2
