"""Prototypes: the mean representation of each class, kept as sums and counts, which add up over batches and clients."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fedpsyau_jax.federated.problem import Representation
from fedpsyau_jax.types import Array, Float, Int


class Prototypes(NamedTuple):
    """Sums of representations by class [classes, feat], and the number of examples of each [classes].

    >>> z, label, mask = jnp.array([[1.0], [3.0]]), jnp.array([0, 0]), jnp.ones(2)
    >>> some = Prototypes(jnp.zeros((2, 1)), jnp.zeros(2)).plus(z, label, mask)
    >>> some.distances(jnp.array([[5.0], [5.0]]), jnp.array([0, 1])).tolist()
    [9.0, 0.0]
    """

    sums: Float[Array, "classes feat"]
    counts: Float[Array, "classes"]

    @classmethod
    def none(cls, representation: Representation) -> "Prototypes":
        """Of no examples."""
        classes = representation.num_classes
        return cls(jnp.zeros((classes, representation.size)), jnp.zeros(classes))

    def plus(
        self, z: Float[Array, "batch feat"], label: Int[Array, "batch"], mask: Float[Array, "batch"]
    ) -> "Prototypes":
        """With the real examples of a batch added."""
        z = z.astype(self.sums.dtype)
        of_class = (jax.nn.one_hot(label, len(self.counts)) * mask[:, None]).astype(z.dtype)
        added = jnp.matmul(of_class.T, z, precision=jax.lax.Precision.HIGHEST)
        return self._replace(
            sums=self.sums + added, counts=self.counts + of_class.sum(axis=0).astype(self.counts.dtype)
        )

    def distances(self, z: Float[Array, "batch feat"], label: Int[Array, "batch"]) -> Float[Array, "batch"]:
        """Mean squared difference of each z from the mean of its class; 0 for a class without examples."""
        sums, counts = self.sums[label], self.counts[label]
        known = counts > 0
        return jnp.where(known, ((z - sums / jnp.where(known, counts, 1)[:, None]) ** 2).mean(axis=1), 0)
