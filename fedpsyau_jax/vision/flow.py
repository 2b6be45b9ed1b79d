"""Dense optical flow between two aligned greyscale faces."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from fedpsyau_jax.vision.tvl1.parameters import Parameters

_PAIRS_ON_ACCELERATOR = 64
Grey = UInt8[np.ndarray, "height width"]
Flow = Callable[[Grey, Grey], Float[np.ndarray, "height width 2"]]
Program = Callable[[np.ndarray, np.ndarray], Any]


class MissingTVL1Error(OSError):
    """The installed cv2 has no TV-L1."""

    def __init__(self) -> None:
        """State the problem and the two commands that fix it."""
        super().__init__(
            f"cv2 {cv2.__version__} has no optflow.DualTVL1OpticalFlow_create: another OpenCV wheel shadows "
            "opencv-contrib-python. Run `pip uninstall -y opencv-python opencv-python-headless "
            "opencv-contrib-python opencv-contrib-python-headless` and then "
            "`pip install opencv-contrib-python==4.14.0.94`."
        )


def tvl1(
    onset: UInt8[np.ndarray, "height width"] | Float32[np.ndarray, "height width"],
    apex: UInt8[np.ndarray, "height width"] | Float32[np.ndarray, "height width"],
) -> Float[np.ndarray, "height width 2"]:
    """TV-L1 flow from onset to apex with OpenCV's defaults.

    Args:
        onset: grey picture, 8 bits; or of floats, which OpenCV takes as 0 to 1.
        apex: as many pixels of the same type.

    Returns:
        (u, v) in pixels: a point at x in the onset is at x + (u, v) in the apex. Bit-identical across runs and
        numbers of threads, but not across OpenCV releases.

    Raises:
        MissingTVL1Error: this cv2 has no TV-L1.

    Source: Zach, Pock, Bischof, "A duality based approach for realtime TV-L1 optical flow", DAGM 2007.
    """
    create: Any = getattr(getattr(cv2, "optflow", None), "DualTVL1OpticalFlow_create", None)
    if create is None:
        raise MissingTVL1Error
    return create().calc(onset, apex, None)


@dataclass(frozen=True)
class JaxTVL1:
    """The same flow by JAX: OpenCV's steps as one compiled program, several times as fast.

    It differs from OpenCV's by about as much as OpenCV's differs between a picture and the same picture with
    noise of a hundred-thousandth of a grey level (docs/vision.md).

    Attributes:
        parameters: constants of TV-L1, by default OpenCV's.
    """

    parameters: Parameters = field(default_factory=Parameters)

    def __call__(
        self, onset: UInt8[np.ndarray, "height width"], apex: UInt8[np.ndarray, "height width"]
    ) -> Float[np.ndarray, "height width 2"]:
        """(u, v) in pixels, as of ``tvl1``. The first pair of each size compiles a program."""
        return np.asarray(compiled(self.parameters, onset.shape)(onset, apex))


@cache
def compiled(parameters: Parameters, shape: tuple[int, ...]) -> Program:
    """The program for pictures of a shape, [height, width] or [pairs, height, width], 8 bits; compiled once."""
    import jax

    from fedpsyau_jax.vision.tvl1 import tvl1_flow

    flow: Callable[..., jax.Array] = partial(tvl1_flow, parameters=parameters)
    pictures = jax.ShapeDtypeStruct(shape, np.uint8)
    return jax.jit(flow if len(shape) == 2 else jax.vmap(flow)).lower(pictures, pictures).compile()


def pairs_at_once() -> int | None:
    """Pairs that one program takes at once: many on an accelerator; None, one without an axis, on a CPU.

    The arrays of one pair of 128 x 128 fill a core's cache, and a pair by itself ends when it has converged: there one
    program for each core is the fastest.
    """
    import jax

    return None if jax.default_backend() == "cpu" else _PAIRS_ON_ACCELERATOR
