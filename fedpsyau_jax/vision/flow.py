"""Dense optical flow between two aligned greyscale faces."""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8


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
    onset: UInt8[np.ndarray, "height width"], apex: UInt8[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width 2"]:
    """TV-L1 flow from onset to apex with OpenCV's defaults.

    Args:
        onset: grey picture.
        apex: grey picture of the same size.

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
