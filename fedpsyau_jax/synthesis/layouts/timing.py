"""When a filmed expression begins, peaks and ends, and how much of it each frame shows."""

import numpy as np

from fedpsyau_jax.synthesis.population import Clip

FRAMES_BETWEEN_CLIPS = 60


def short(clip: Clip, place: int, fps: int) -> Clip:
    """The clip in 9 to 15 frames, at a time of its own among its subject's clips.

    Real clips of fast cameras are longer: these are quick to write, and every frame between is there.

    Args:
        clip: as drawn.
        place: which of the subject's clips it is, from 1.
        fps: frames a second that the layout states.
    """
    onset = FRAMES_BETWEEN_CLIPS * place + clip.onset % 40
    apex = onset + 4 + clip.onset % 4
    return clip._replace(onset=onset, apex=apex, offset=apex + 4 + clip.apex % 4, fps=fps)


def expression_at(clip: Clip, frame: int) -> float:
    """Share of the expression that shows in a frame: 0 up to the onset, 1 at the apex, 0 from the offset.

    >>> clip = Clip("sub0001", "sub0001_01", 10, 14, 16, 30, None, ())
    >>> [round(expression_at(clip, frame), 2) for frame in (9, 10, 12, 14, 15, 16)]
    [0.0, 0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if frame == clip.apex:
        return 1.0
    span = clip.apex - clip.onset if frame < clip.apex else clip.offset - clip.apex
    return 0.5 - 0.5 * float(np.cos(np.pi * max(0.0, 1 - abs(frame - clip.apex) / span)))
