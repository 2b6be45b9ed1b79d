"""Where a long video may show a micro-expression: motion there and back, apart from other motion.

A frame's strain is that of the motion since ``LAG_SECONDS`` before it. At an apex both the strain of the frame and that
of the frame as long after it are large. If around them little else moves, it is an event. Events of the eyes alone are
blinks.

Source: the comparison with frames before and after is that of Moilanen et al., "Spotting rapid facial movements from
videos using appearance-based feature difference analysis", ICPR 2014; strain that of Shreve et al., FG 2011.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.clips.doubt import strain_floor
from experiments.clips.motion import Motion

LAG_SECONDS = 0.2
"""About the time in which a micro-expression rises or falls."""
AROUND_SECONDS = 1.0
"""How long before and after an event other motion is looked for."""
BLINK = 0.7
"""Strain of the brows, as a share of that of the eyes, up to which it belongs to a blink."""
DIP = 0.6
"""Share of the peak that the strain falls below between the way there and the way back, if the face returns."""


class Strictness(NamedTuple):
    """What an event must be.

    Attributes:
      strength: least strain at its apex, in units of what noise and the head leave.
      beside: largest share of the frames around it that move half as much as it: speech and head turns go on.
    """

    strength: float
    beside: float


class Rate(NamedTuple):
    """How well events are found.

    Attributes:
      strictness: what an event must be.
      false_events: of a minute, at most (95 % bound of a Poisson rate).
      found: share of the micro-expressions.
    """

    strictness: Strictness
    false_events: float
    found: float


RATES: tuple[Rate, ...] = (
    Rate(Strictness(1.5, 0.4), 17.4, 0.91),
    Rate(Strictness(1.5, 0.2), 6.4, 0.73),
    Rate(Strictness(1.5, 0.15), 3.4, 0.59),
    Rate(Strictness(1.5, 0.05), 1.1, 0.55),
)
"""Measured by ``python -m benchmarks.spotting`` on 2.7 minutes of synthetic video with blinks, speech and head turns,
22 expressions: 35, 10, 4 and 0 false events. The rules above, and these choices, were made on the same videos."""


class Span(NamedTuple):
    """An event as places in a sequence of frames; ``strength``: strain in units of what noise and the head leave."""

    onset: int
    apex: int
    offset: int
    strength: float


def rate_for(false_events: float) -> Rate:
    """The least strict choice with at most so many false events a minute; the strictest if none has so few."""
    return next((rate for rate in RATES if rate.false_events <= false_events), RATES[-1])


def lag_frames(fps: float) -> int:
    """Frames of ``LAG_SECONDS``, at least one."""
    return max(1, round(LAG_SECONDS * fps))


def strength(motion: Motion) -> float:
    """Strain of mouth, nostrils or brows, in units of what noise and the head leave; brows in a blink do not count."""
    brows = motion.brows if motion.brows > BLINK * motion.eyes else 0.0
    return max(motion.lower, brows) / strain_floor(motion.head)


def there_and_back(motions: Sequence[Motion], lag: int) -> Float[np.ndarray, "frames"]:
    """The lesser of the strengths of the motion to a frame and away from it; 0 at the end."""
    to = np.array([strength(one) for one in motions])
    away = np.append(to[lag:], np.zeros(min(lag, len(to))))
    return np.minimum(to, away)


def spot(motions: Sequence[Motion], fps: float, strictness: Strictness) -> list[Span]:
    """The events of a sequence of frames, strongest first where two overlap, in the order of time.

    Args:
      motions: of each frame since ``LAG_SECONDS`` before it.
      fps: frames a second.
      strictness: what an event must be.
    """
    lag, around = lag_frames(fps), max(1, round(AROUND_SECONDS * fps))
    curve, level = there_and_back(motions, lag), np.array([strength(one) for one in motions])
    spans: list[Span] = []
    for apex in np.argsort(-curve, kind="stable"):
        peak = float(curve[apex])
        if peak < strictness.strength:
            break
        span = _span(level, int(apex), lag, peak)
        apart = all(span.onset > other.offset or span.offset < other.onset for other in spans)
        if apart and _returns(level, span, lag) and _beside(level, span, lag, around) <= strictness.beside:
            spans.append(span)
    return sorted(spans)


def _span(level: Float[np.ndarray, "frames"], apex: int, lag: int, peak: float) -> Span:
    """From where the strain exceeds a quarter of its peak to where it falls below, at most two lags from the apex."""
    first, last = max(0, apex - 2 * lag), min(len(level) - 1, apex + 3 * lag)
    onset = apex
    while onset > first and level[onset - 1] > peak / 4:
        onset -= 1
    away = np.flatnonzero(level[apex + lag : last + 1] > peak / 4)
    reach = int(away[np.flatnonzero(np.append(np.diff(away) > 1, True))[0]]) if len(away) else 0
    return Span(onset, apex, min(len(level) - 1, apex + max(1, reach)), peak)


def _returns(level: Float[np.ndarray, "frames"], span: Span, lag: int) -> bool:
    """Whether the motion away from the apex is another one than that to it, and not its second half."""
    return float(level[span.apex : span.apex + lag + 1].min()) <= DIP * span.strength


def _beside(level: Float[np.ndarray, "frames"], span: Span, lag: int, around: int) -> float:
    """Share of the frames before and after an event that move half as much as it; 0 if there are none."""
    before = level[max(0, span.onset - around) : span.onset]
    after = level[span.offset + lag + 1 :][:around]
    beside = np.concatenate([before, after])
    return float(np.mean(beside > span.strength / 2)) if len(beside) else 0.0
