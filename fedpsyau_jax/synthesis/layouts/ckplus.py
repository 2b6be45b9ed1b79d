"""CK+: sequences from neutral to the peak, FACS and emotion files, landmarks of every frame."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.layouts.coding import CODING_QUIRKS
from fedpsyau_jax.synthesis.layouts.entry import Entry, Quirk, coded, ordinary
from fedpsyau_jax.synthesis.layouts.layout import NO_TABLE, Layout, Place
from fedpsyau_jax.synthesis.layouts.timing import short
from fedpsyau_jax.synthesis.population import Clip

FRAMES_PER_SECOND = 30


def _entry(clip: Clip, place: int) -> Entry:
    """The last frame is the apex; every other sequence has an emotion."""
    subject, filename = f"S{int(clip.subject.removeprefix('sub')) + 4:03d}", f"{place:03d}"
    timed = short(clip, place, FRAMES_PER_SECOND)
    last = timed.offset - timed.onset + 1
    clip = timed._replace(onset=1, apex=last, offset=last)
    emotion = EMOTIONS[clip.emotion or 0] if place % 2 else None
    folder, picture = f"cohn-kanade-images/{subject}/{filename}", f"{subject}_{filename}_{{:08d}}.png"
    return ordinary(clip, subject, filename, emotion, folder, picture)


def _of_frame(entry: Entry, kind: str, frame: int, ending: str) -> PurePosixPath:
    name = entry.frame_file(frame).stem
    return PurePosixPath(kind) / entry.subject / entry.filename / f"{name}_{ending}.txt"


def _landmark_file(entry: Entry, frame: int) -> PurePosixPath:
    return _of_frame(entry, "Landmarks", frame, "landmarks")


QUIRKS: dict[str, Quirk] = {
    "empty emotion folder": lambda entry: entry._replace(emotion=None),
    "unseen AUs": coded(CODING_QUIRKS["unseen AUs"]),
    "AUs of no stated intensity": coded(CODING_QUIRKS["commas"]),
    "stray file": lambda entry: entry,
}


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    """Numbers as ``%16.7e``; an intensity of 0 means that none is stated, not that the AU is absent."""
    del seed
    for entry in entries:
        facs = root / _of_frame(entry, "FACS", entry.clip.apex, "facs")
        facs.parent.mkdir(parents=True, exist_ok=True)
        strength = {action.au: float(round(5 * action.intensity)) for action in entry.clip.actions}
        stated = {} if entry.quirk == "AUs of no stated intensity" else strength
        lines = [f"{au:16.7e}{stated.get(au, 0.0):16.7e}\n" for au in entry.coding.action_units or ()]
        facs.write_text("".join(lines), encoding="ascii")
        emotion = root / _of_frame(entry, "Emotion", entry.clip.apex, "emotion")
        if entry.emotion is not None or entry.quirk == "empty emotion folder":
            emotion.parent.mkdir(parents=True, exist_ok=True)
        if entry.emotion is not None:
            emotion.write_text(f"{EMOTIONS.index(entry.emotion) + 1:16.7e}\n", encoding="ascii")
        if entry.quirk == "stray file":
            (root / entry.folder).mkdir(parents=True, exist_ok=True)
            (root / entry.folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return [NO_TABLE] * len(entries)


CKPLUS = Layout(
    "ckplus", _entry, _annotate, QUIRKS, intensity=(0.3, 1.0), landmark_file=_landmark_file, own_landmarks=True
)
