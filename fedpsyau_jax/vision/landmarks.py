"""The 65 landmarks of the network, computed from 68 detected points (iBUG 300-W order)."""

import numpy as np
from jaxtyping import Float

BROWS = tuple(range(17, 27))
EYES = tuple(range(36, 48))
GLABELLA = ((21, 22),)
NOSE = tuple(range(27, 36))
MOUTH = tuple(range(48, 68))
JAW = tuple(range(5, 12))
CHEEKS = ((41, 48), (40, 31), (36, 48), (46, 54), (47, 35), (45, 54))
INNER_EYE_CORNERS = (39, 42)

_PAIRS = np.array([*((i, i) for i in BROWS + EYES), *GLABELLA, *((i, i) for i in NOSE + MOUTH + JAW), *CHEEKS])


def network_landmarks(points: Float[np.ndarray, "68 2"]) -> Float[np.ndarray, "landmarks=65 2"]:
    """The 65 landmarks of the network from a 68-point detection.

    0-9 brows, 10-21 eyes, 22 glabella, 23-31 nose, 32-51 mouth, 52-58 jaw, 59-64 three cheek points per side
    (midpoints of an eye point and a nostril or mouth corner; left side first).

    Args:
        points: (x, y) of the 68 points, any unit.

    Source: the index ranges are the released implementation's; the assignment of points within them is ours.

    >>> network_landmarks(np.stack([np.arange(68.0)] * 2, 1))[[0, 22, 59], 0].tolist()
    [17.0, 21.5, 44.5]
    """
    return points[_PAIRS].mean(axis=1)


def read_landmarks(text: str) -> Float[np.ndarray, "68 2"]:
    """Parse 68 lines of ``x y``, or ``x, y``.

    Raises:
        ValueError: there are not 68 pairs of finite numbers.
    """
    try:
        points = np.array(
            [[float(cell) for cell in line.replace(",", " ").split()] for line in text.splitlines() if line.strip()]
        )
    except ValueError as error:
        raise ValueError("a landmark file must hold 68 lines `x y` of numbers") from error
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise ValueError(f"a landmark file must hold 68 lines `x y` of finite numbers, not shape {points.shape}")
    return points
