"""Where a reading stands between two parts of a video: enough to go on as if it had not stopped.

Pictures are not kept: the frames that were held are read, and the face followed in them, again.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.clips.motion import Motion
from experiments.clips.tracking import Anchor, Patch, Seen, Tracker, anchor_of
from experiments.clips.windows import Entry, Held
from fedpsyau_jax.vision.crop import Square

UNKNOWN = -1


class Pause(NamedTuple):
    """A reading between two parts.

    Attributes:
      tracker: what was known before the first frame that is held.
      motions: of the frames that are held.
      written, decided, free: as in ``Held``.
    """

    tracker: Tracker
    motions: Float[np.ndarray, "held 6"]
    written: int
    decided: int
    free: int


def pause_of(held: Held) -> Pause:
    """Where a reading stands that holds these frames."""
    tracker = held.entries[0].seen.before if held.entries else Tracker()
    motions = np.array([entry.motion for entry in held.entries], float).reshape(-1, len(Motion._fields))
    return Pause(tracker, motions, held.written, held.decided, held.free)


def held_again(pause: Pause, seen: Iterator[Seen]) -> Held:
    """What was held, from the frames that are seen again.

    Raises:
      ValueError: there are fewer of them than there were.
    """
    entries = [Entry(one, Motion(*values)) for values, one in zip(pause.motions.tolist(), seen, strict=False)]
    if len(entries) < len(pause.motions):
        raise ValueError("it has fewer frames than when its reading stopped: read it anew, without --resume")
    return Held(tuple(entries), pause.written, pause.decided, pause.free)


def arrays_of(pause: Pause) -> dict[str, np.ndarray]:
    """A pause as arrays, by name."""
    anchor, last = pause.tracker.anchor, pause.tracker.last
    unlooked = UNKNOWN if pause.tracker.unlooked is None else pause.tracker.unlooked
    found = {
        "motions": pause.motions,
        "held": np.array([pause.written, pause.decided, pause.free]),
        "counts": np.array([pause.tracker.faces, pause.tracker.segment, unlooked]),
    }
    if anchor is not None:
        found |= {"patch": np.array(anchor.patch, float), "picture": anchor.picture, "points": anchor.points}
    return found if last is None else found | {"last": last}


def pause_from(arrays: Mapping[str, np.ndarray], square: Square) -> Pause:
    """The pause that ``arrays_of`` made arrays of.

    Args:
      arrays: by name.
      square: 68 landmarks -> square of the face, as when the reading stopped.
    """
    faces, segment, unlooked = arrays["counts"].tolist()
    tracker = Tracker(_anchor(arrays, square), arrays.get("last"), faces, segment, unlooked if unlooked >= 0 else None)
    return Pause(tracker, arrays["motions"], *arrays["held"].tolist())


def _anchor(arrays: Mapping[str, np.ndarray], square: Square) -> Anchor | None:
    if "patch" not in arrays:
        return None
    *bounds, scale = arrays["patch"].tolist()
    left, top, right, bottom = map(int, bounds)
    return anchor_of(Patch(left, top, right, bottom, scale), arrays["picture"], arrays["points"], square)
