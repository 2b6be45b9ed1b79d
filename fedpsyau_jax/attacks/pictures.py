"""How alike two pictures are, with values from 0 to 1."""

import numpy as np
from scipy.ndimage import uniform_filter

from fedpsyau_jax.types import Float

__all__ = ["psnr", "ssim"]

WINDOW = 7
STABLE = (0.01**2, 0.03**2)


def psnr(picture: Float[np.ndarray, "*any"], original: Float[np.ndarray, "*any"]) -> float:
    """Peak signal-to-noise ratio, -10 log10 of the mean squared difference, in dB; infinite for equal pictures.

    >>> round(psnr(np.full(4, 0.5), np.full(4, 0.4)), 6)
    20.0
    """
    error = float(np.mean((np.asarray(picture, float) - original) ** 2))
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def ssim(
    picture: Float[np.ndarray, "height width channels"], original: Float[np.ndarray, "height width channels"]
) -> float:
    """Structural similarity in [-1, 1], the mean over windows of 7 x 7 pixels and over channels.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, TIP 2004, equation
    13, with uniform windows and unbiased variances as in scikit-image.

    >>> face = np.random.default_rng(0).random((28, 28, 3))
    >>> ssim(face, face), ssim(face, 1 - face) < 0
    (1.0, True)
    """
    x, y = np.asarray(picture, np.float64), np.asarray(original, np.float64)
    size = (WINDOW, WINDOW, 1)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    mean_x, mean_y = uniform_filter(x, size), uniform_filter(y, size)
    square_x, square_y, product = (uniform_filter(values, size) for values in (x * x, y * y, x * y))
    variances = unbiased * (square_x - mean_x**2 + square_y - mean_y**2)
    covariance = unbiased * (product - mean_x * mean_y)
    of_means = (2 * mean_x * mean_y + STABLE[0]) / (mean_x**2 + mean_y**2 + STABLE[0])
    of_window = of_means * (2 * covariance + STABLE[1]) / (variances + STABLE[1])
    inside = WINDOW // 2
    return float(of_window[inside:-inside, inside:-inside].mean())
