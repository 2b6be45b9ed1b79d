"""The constants of TV-L1."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameters:
    """Constants of TV-L1, by default those of OpenCV's ``DualTVL1OpticalFlow`` (whose names are in brackets).

    Attributes:
        time_step: of the dual variables (tau).
        data_weight: weight of the brightness difference against smoothness (lambda).
        tightness: how far the flow and its auxiliary copy may differ (theta).
        scales: most levels of the pyramid; fewer if a side would fall under 16 pixels (nscales).
        scale_step: size of a level over that of the finer one (scaleStep).
        warps: linearisations at each level (warps).
        tolerance: the iterations end when the flow's root mean square change is under it, pixels (epsilon). 0 for a
            fixed number of iterations, which can be differentiated in reverse mode.
        inner: most iterations between two medians (innerIterations).
        outer: most medians at each warp (outerIterations).
        median: odd side of the median filter's window; 1 for none (medianFiltering).
        rounding: places are looked up at multiples of 1 / rounding of a pixel, as OpenCV's ``remap`` does with 32;
            None for exact places.
        detached: derivatives pass through the last linearisation only; where it starts from is held fixed. Through
            all of them they are those of the function, but may be so large that they hold for tiny changes only.

    Raises:
        ValueError: a constant is out of its range.

    OpenCV's ``gamma`` (changes of light) is 0, its default.
    """

    time_step: float = 0.25
    data_weight: float = 0.15
    tightness: float = 0.3
    scales: int = 5
    scale_step: float = 0.8
    warps: int = 5
    tolerance: float = 0.01
    inner: int = 30
    outer: int = 10
    median: int = 5
    rounding: int | None = 32
    detached: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("time_step", "data_weight", "tightness", "scales", "warps", "inner", "outer", "median"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be more than 0")
        if self.median % 2 == 0:
            raise ValueError(f"median is {self.median}: the side of a window must be odd")
        if not 0 < self.scale_step < 1:
            raise ValueError(f"scale_step is {self.scale_step}: it must be more than 0 and less than 1")
        if self.tolerance < 0:
            raise ValueError(f"tolerance is {self.tolerance}: it must be 0 or more")
        if self.rounding is not None and self.rounding < 1:
            raise ValueError(f"rounding is {self.rounding}: it must be 1 or more, or None for exact places")


OPENCV = Parameters()
"""As OpenCV does by default."""

DIFFERENTIABLE = Parameters(tolerance=0.0, outer=1, rounding=None, detached=True)
"""A fixed number of iterations, about as many as OpenCV's usually are, exact places, derivatives of the last step."""
