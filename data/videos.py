"""Match the frames of a clip's video to the frame numbers of the table."""

from pathlib import Path

from data.annotations import Annotation
from data.frames import Footage, VideoFrame
from data.pictures import PictureError, num_video_frames

_LOST = 2  # frames that a recorder or a converter may lose at the end


def video_footage(video: Path, annotation: Annotation) -> Footage:
    """The frames of a clip's video by their numbers in the table.

    A video as long as the offset's number is the whole recording, its frames count from 1; one as long as the clip
    begins at the onset [both inferred from the lengths], which is noted.

    Args:
        video: the file.
        annotation: of the clip.

    Raises:
        PictureError: it cannot be read, or its length is neither.
    """
    count = num_video_frames(video)
    onset, last = annotation.onset or 1, annotation.offset or annotation.apex or 0
    expected = last - onset + 1
    misfits = {"recording": max(0, last - count), "clip": abs(count - expected)}
    fit = min(misfits, key=lambda name: misfits[name])
    if misfits[fit] > _LOST:
        raise PictureError(
            f"{video}: has {count} frames, neither the {last} of a recording up to the clip's last frame nor the "
            f"{expected} from its onset {onset} on: extract its pictures, numbered as in the table"
        )
    first = onset if fit == "clip" else 1
    frames = {first + place: VideoFrame(video, place + 1) for place in range(count)}
    notes = (f"the video has {count} frames: its first is the onset {onset}",) if first > 1 else ()
    return Footage(video.with_suffix(""), frames, True, notes)
