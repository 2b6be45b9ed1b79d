"""Optical strain: local stretching of the skin, independent of its overall motion."""

import numpy as np
from jaxtyping import Float


def optical_strain(flow: Float[np.ndarray, "height width 2"]) -> Float[np.ndarray, "height width"]:
    r"""Magnitude of the infinitesimal strain tensor of a flow field.

    .. math:: \sqrt{u_x^2 + v_y^2 + \tfrac12 (u_y + v_x)^2}

    Zero for a translation; for a rotation by a small angle it vanishes to second order.

    Args:
        flow: (u, v) in pixels.

    Returns:
        Strain, dimensionless, >= 0.

    Source: Shreve et al., "Macro- and micro-expression spotting in long videos using spatio-temporal strain",
    FG 2011.

    >>> y, x = np.mgrid[:5, :5].astype(float)
    >>> float(optical_strain(np.stack([0.25 * x, 0 * y], -1))[2, 2])
    0.25
    """
    u_y, u_x = np.gradient(flow[..., 0])
    v_y, v_x = np.gradient(flow[..., 1])
    return np.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2)
