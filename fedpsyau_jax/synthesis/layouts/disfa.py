"""DISFA: a video of each subject, and for each AU a file of its intensity in every frame."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath

import cv2

from fedpsyau_jax.synthesis.filming import FRAME_SIZE, Footage
from fedpsyau_jax.synthesis.layouts.coding import Coding
from fedpsyau_jax.synthesis.layouts.entry import Entry, Quirk, ordinary
from fedpsyau_jax.synthesis.layouts.layout import NO_TABLE, Layout, Place
from fedpsyau_jax.synthesis.layouts.timing import expression_at, short
from fedpsyau_jax.synthesis.muscles import Action, Side
from fedpsyau_jax.synthesis.population import Clip

LABELLED = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
LEVELS, PRESENT = 5, 2
FRAMES_PER_SECOND = 20
FRAMES_PER_EPISODE = 20
SPELLING = ("Videos_LeftCamera", "Video_LeftCamera")


def _levels(actions: Iterable[Action]) -> dict[int, int]:
    """Intensity at the apex of each labelled AU, 0 to 5."""
    return {action.au: round(LEVELS * action.intensity) for action in actions if action.au in LABELLED}


def _entry(clip: Clip, place: int) -> Entry:
    """One episode of the subject's video: neutral, an expression, neutral. Frames count from 1."""
    number = int(clip.subject.removeprefix("sub"))
    subject, start = f"SN{number:03d}", FRAMES_PER_EPISODE * (place - 1) + 1
    timed = short(clip, place, FRAMES_PER_SECOND)
    later = start + 4 - timed.onset
    one_sitting = f"{clip.subject}_1"  # one seed, so that the head is in one place in all episodes
    clip = timed._replace(
        name=one_sitting, onset=timed.onset + later, apex=timed.apex + later, offset=timed.offset + later
    )
    folder, video = SPELLING[number % 2 == 0], f"LeftVideo{subject}_comp.avi"
    entry = ordinary(clip, subject, f"{place:02d}", None, folder, video)
    return _relabelled(entry._replace(frames=tuple(range(start, start + FRAMES_PER_EPISODE))))


def _relabelled(entry: Entry) -> Entry:
    present: dict[int, Side] = {au: "" for au, level in _levels(entry.clip.actions).items() if level >= PRESENT}
    return entry._replace(coding=Coding(None, present))


def _showing(*actions: Action) -> Quirk:
    return lambda entry: _relabelled(entry._replace(clip=entry.clip._replace(actions=actions)))


QUIRKS: dict[str, Quirk] = {
    "unlabelled AUs": _showing(Action(4, 0.8), Action(7, 0.8), Action(10, 0.6), Action(14, 0.6)),
    "trace of an AU": _showing(Action(12, 0.6), Action(6, 0.2)),
}


def _store(root: Path, filmed: Sequence[tuple[Entry, Footage]]) -> None:
    """All episodes of a subject, one after another, as Motion JPEG."""
    first = filmed[0][0]
    path = root / first.folder / first.picture
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(path), code, FRAMES_PER_SECOND, (FRAME_SIZE, FRAME_SIZE))
    if not video.isOpened():
        raise OSError(f"{path}: OpenCV cannot write Motion JPEG here")
    for _, footage in filmed:
        for frame in footage.frames:
            video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    video.release()


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    del seed
    for subject, group in groupby(entries, key=lambda entry: entry.subject):
        episodes = list(group)
        folder = root / "ActionUnit_Labels" / subject
        folder.mkdir(parents=True, exist_ok=True)
        for au in LABELLED:
            levels = [
                (frame, int(_levels(entry.clip.actions).get(au, 0) * expression_at(entry.clip, frame)))
                for entry in episodes
                for frame in entry.frames
            ]
            text = "".join(f"{frame},{level}\n" for frame, level in levels)
            (folder / f"{subject}_au{au}.txt").write_text(text, encoding="ascii")
    return [NO_TABLE] * len(entries)


def _landmark_file(entry: Entry, frame: int) -> PurePosixPath:
    return PurePosixPath("landmarks") / entry.folder / PurePosixPath(entry.picture).stem / f"{frame}.txt"


DISFA = Layout(
    "disfa",
    _entry,
    _annotate,
    QUIRKS,
    emotional=False,
    intensity=(0.4, 1.0),
    store=_store,
    landmark_file=_landmark_file,
)
