"""Small windows of the flow image around the landmarks."""

import numpy as np
from jaxtyping import Float, Int

PATCH_SIZE = 5


def patch_corners(points: Float[np.ndarray, "landmarks 2"], height: int, width: int) -> Int[np.ndarray, "landmarks 2"]:
    """Top-left pixel (x0, y0) of the 5 x 5 window centred on the pixel nearest to each point.

    A window that would extend beyond the image is moved inside.

    >>> patch_corners(np.array([[44.0, 47.0], [127.0, 0.0]]), 128, 128).tolist()
    [[42, 45], [123, 0]]
    """
    corners = np.floor(np.asarray(points, float) + 0.5).astype(int) - PATCH_SIZE // 2
    return np.clip(corners, 0, np.array([width, height]) - PATCH_SIZE)


def cut_patches(
    image: Float[np.ndarray, "height width channels=3"], points: Float[np.ndarray, "landmarks 2"]
) -> Float[np.ndarray, "landmarks 5 5 channels=3"]:
    """Extract the window of each point, with (row, column) = (y, x).

    Where we differ from the released implementation: it indexes [x, y] in an image stored as (row, column).
    """
    corners = patch_corners(points, *image.shape[:2])
    offset = np.arange(PATCH_SIZE)
    rows = corners[:, 1, None, None] + offset[:, None]
    columns = corners[:, 0, None, None] + offset
    return image[rows, columns]
