"""Scaling of flow from pixels to [0, 1]; a scaling is any function of (u, v, strain) images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

FlowImage = Float[np.ndarray, "height width channels=3"]
Scaling = Callable[[FlowImage], FlowImage]


@dataclass(frozen=True)
class FixedRange:
    """The same ranges for every sample: amplitude is preserved, and zero motion is always exactly 0.5.

    ``u, v -> 0.5 + u / (2 motion)``, ``strain -> strain / strain_range``, clipped to [0, 1].

    Attributes:
        motion: pixels of a 128-pixel face that map to 0 and 1: micro-expressions move 0.4 to 4.
        strain: strain that maps to 1: four pixels of motion over the eight between lip and nose or lid and brow;
            on synthetic clips, 99 % of the strain of TV-L1 is below it.

    Where we differ from the released preprocessing: that is ``min_max``.

    >>> FixedRange()(np.zeros((1, 1, 3)))[0, 0].tolist()
    [0.5, 0.5, 0.0]
    """

    motion: float = 4.0
    strain: float = 0.5

    def __call__(self, image: FlowImage) -> FlowImage:
        """Scale an image of (u, v, strain)."""
        scale = np.array([0.5 / self.motion, 0.5 / self.motion, 1 / self.strain], image.dtype)
        offset = np.array([0.5, 0.5, 0.0], image.dtype)
        return np.clip(image * scale + offset, 0, 1)


def min_max(image: FlowImage) -> FlowImage:
    """Stretch each channel of each sample to [0, 1], as the released preprocessing does.

    Amplitude and the zero level are lost, so a still face looks like a strong expression. A constant channel
    becomes 0.
    """
    low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
    span = np.where(high > low, high - low, 1)
    return ((image - low) / span).astype(image.dtype)
