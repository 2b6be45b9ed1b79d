"""TV-L1 optical flow in JAX: OpenCV's, as one pure function of two pictures.

``tvl1_flow`` is imported when it is first used, so that the constants can be had without JAX.
"""

from typing import TYPE_CHECKING, Any

from fedpsyau_jax.vision.tvl1.parameters import DIFFERENTIABLE, OPENCV, Parameters

if TYPE_CHECKING:
    from fedpsyau_jax.vision.tvl1.solver import tvl1_flow

__all__ = ["DIFFERENTIABLE", "OPENCV", "Parameters", "tvl1_flow"]


def __getattr__(name: str) -> Any:
    """Import the function on first use (PEP 562)."""
    if name == "tvl1_flow":
        from fedpsyau_jax.vision.tvl1.solver import tvl1_flow

        return tvl1_flow
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
