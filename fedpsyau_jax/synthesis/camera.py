"""What a camera and its files keep of a frame, and which frames it catches of an expression."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Frame = UInt8[np.ndarray, "rows columns 3"]
LOSSLESS = 100.0


@dataclass(frozen=True)
class Camera:
    """A camera and the format of its files; the default keeps every pixel.

    Attributes:
        resolution: size of its pictures, as a share of the rendered ones, in (0, 1].
        quality: of its JPEG files, 1 to 100; 100 for lossless files.
        grey: whether it sees no colour.
    """

    resolution: float = 1.0
    quality: float = LOSSLESS
    grey: bool = False


class Speed(NamedTuple):
    """How often a camera takes a frame.

    Attributes:
        fps: frames a second of the lab's camera.
        strength: 0 for the frame rate of the release that the layout imitates, which misses nothing; 1 for ``fps``; in
            between the weighted geometric mean.
    """

    fps: float = 200.0
    strength: float = 0.0

    def rate(self, usual: int) -> int:
        """Frames a second of a clip that is usually filmed with ``usual``.

        >>> Speed(30.0, 1.0).rate(500), Speed(30.0, 0.0).rate(500), Speed(30.0, 0.5).rate(500)
        (30, 500, 122)
        """
        return round(usual ** (1 - self.strength) * self.fps**self.strength)

    def caught(self, rate: int, rise: float, generator: np.random.Generator) -> tuple[float, float]:
        """Shares of the expression that the frames called onset and apex show; (0, 1) at strength 0.

        The onset is the first frame after the face began to move; the apex is the frame nearest to the peak, or one
        of its neighbours, as coders differ by a frame [inferred]. The face moves along a raised cosine.

        Args:
            rate: frames a second.
            rise: seconds from true onset to true apex.
            generator: source of all randomness.
        """
        late, off = generator.uniform(0, 1), generator.uniform(-1.5, 1.5)
        interval = self.strength / rate
        return raised_cosine(late * interval / rise), raised_cosine(1 - abs(off) * interval / rise)


def raised_cosine(time: float) -> float:
    """(1 - cos(pi t)) / 2: an expression's strength from its onset at 0 to its apex at 1.

    >>> raised_cosine(0.0), raised_cosine(0.5), raised_cosine(1.0)
    (0.0, 0.5, 1.0)
    """
    return float(np.round((1 - np.cos(np.pi * min(max(time, 0.0), 1.0))) / 2, 12))


def record(
    frame: Frame, landmarks: Float[np.ndarray, "68 2"], camera: Camera
) -> tuple[UInt8[np.ndarray, "rows_kept columns_kept 3"], Float[np.ndarray, "68 2"]]:
    """The picture that a camera's file gives back, and the landmarks in its pixels.

    Args:
        frame: RGB, as rendered.
        landmarks: (x, y) in pixels of ``frame``.
        camera: its resolution, colour and compression.
    """
    size = max(1, round(frame.shape[0] * camera.resolution))
    zoom = size / frame.shape[0]
    if size != frame.shape[0]:
        frame = np.asarray(cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    if camera.grey:
        frame = np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if camera.quality < LOSSLESS:
        frame = _as_jpeg(frame, round(camera.quality))
    return frame, (landmarks + 0.5) * zoom - 0.5 if zoom != 1 else landmarks


def _as_jpeg(frame: Frame, quality: int) -> Frame:
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise OSError(f"OpenCV cannot encode a frame as JPEG of quality {quality}")
    decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)
