"""Conversion of weights between this package and the released PyTorch implementation."""

from fedpsyau_jax.interop.convert import StateDict, from_released, released_shapes, to_released

__all__ = ["StateDict", "from_released", "released_shapes", "to_released"]
