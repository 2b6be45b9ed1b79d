"""CAS(ME)^3 Part A: ``{Subject}_{Filename}_{Onset}`` folders of unpadded frames, a workbook of strings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fedpsyau_jax.synthesis.emotions import EMOTIONS
from fedpsyau_jax.synthesis.layouts.coding import CODING_QUIRKS
from fedpsyau_jax.synthesis.layouts.entry import (
    Entry,
    Quirk,
    coded,
    missing_apex_frame,
    missing_onset_frame,
    onset_is_apex,
    ordinary,
    saying,
    told_as,
)
from fedpsyau_jax.synthesis.layouts.layout import Layout, Place
from fedpsyau_jax.synthesis.layouts.tables import write_xlsx
from fedpsyau_jax.synthesis.layouts.timing import short
from fedpsyau_jax.synthesis.population import Clip

TABLE = PurePosixPath("cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx")
COLUMNS = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
SPELLING = {"contempt": "others", "happiness": "happy", "sadness": "sad"}
FRAMES_PER_SECOND = 30
LETTERS = "abcdefghijklm"


def labelled(clip: Clip, letter: str, emotion: str) -> Entry:
    """The row of a clip, all its numbers as text."""
    subject = f"spNO.{int(clip.subject.removeprefix('sub'))}"
    folder = f"Part_A_ME_clip/frame/{subject}_{letter}_{clip.onset}"
    return told_as(str, "onset", "apex", "offset")(ordinary(clip, subject, letter, emotion, folder, "{}.jpg"))


def _entry(clip: Clip, place: int) -> Entry:
    """Two expressions share a file letter."""
    emotion = EMOTIONS[clip.emotion or 0]
    letter = LETTERS[(place - 1) // 2 % len(LETTERS)]
    return labelled(short(clip, place, FRAMES_PER_SECOND), letter, SPELLING.get(emotion, emotion))


@dataclass(frozen=True)
class KnownRow:
    """A bad row of the real table: its key, the frames that are meant, what the table says instead."""

    subject: int
    letter: str
    onset: int
    apex: int
    offset: int
    said: Mapping[str, str]

    def __call__(self, entry: Entry) -> Entry:
        """That row, with the expression of another."""
        subject = f"sub{self.subject:04d}"
        clip = entry.clip._replace(subject=subject, name=f"{subject}_{self.onset}", onset=self.onset)
        clip = clip._replace(apex=self.apex, offset=self.offset)
        row = saying(**self.said)(labelled(clip, self.letter, entry.emotion or "others"))
        shown = range(max(1, self.onset), min(self.apex + 8, self.offset) + 1)  # frames count from 1
        return row._replace(frames=tuple(shown))


KNOWN_ROWS: Mapping[str, KnownRow] = {
    "offset 0, first row": KnownRow(40, "e", 1812, 1824, 1845, {"offset": "0"}),
    "offset 0, second row": KnownRow(40, "e", 2327, 2335, 2403, {"offset": "0"}),
    "offset 3460": KnownRow(214, "c", 5, 17, 34, {"offset": "3460"}),
    "apex 160": KnownRow(149, "d", 112, 123, 130, {"apex": "160"}),
    "onset 3647": KnownRow(216, "d", 2647, 2653, 2660, {"onset": "3647"}),
    "onset 0": KnownRow(216, "e", 0, 6, 12, {}),
}


def _folder_of_other_case(entry: Entry) -> Entry:
    name = entry.folder.name.replace("spNO.", "spNo.")
    return entry._replace(folder=entry.folder.with_name(name))


def _letter_of_other_case(entry: Entry) -> Entry:
    """The table says ``J``, the folder ``j``."""
    folder = entry.folder.with_name(f"{entry.subject}_j_{entry.clip.onset}")
    return entry._replace(filename="J", folder=folder)


QUIRKS: Mapping[str, Quirk] = {
    "numbers as numbers": lambda entry: entry._replace(said={}),
    "apex as a number": told_as(int, "apex"),
    "folder spelt spNo": _folder_of_other_case,
    "letter of other case": _letter_of_other_case,
    "apex frame missing": missing_apex_frame,
    "onset frame missing": missing_onset_frame,
    "onset is apex": onset_is_apex,
    "Others": lambda entry: entry._replace(emotion="Others"),
    **KNOWN_ROWS,
    **{
        name: coded(CODING_QUIRKS[name])
        for name in ("whole number", "unseen AUs", "both sides", "other sides", "blank AU")
    },
}  # fmt: skip


def _annotate(root: Path, entries: Sequence[Entry], seed: int) -> list[Place]:
    del seed
    rows = [
        [*(entry.cell(name) for name in ("subject", "filename", "onset", "apex", "offset", "au")), "VII",
         entry.cell("emotion")]
        for entry in entries
    ]  # fmt: skip
    write_xlsx(root / TABLE, {"label": [COLUMNS, *rows], "Sheet1": [[None] * 17] * 3, "Sheet3": []})
    return [Place(TABLE, row) for row in range(2, len(entries) + 2)]


CASME3 = Layout("casme3", _entry, _annotate, QUIRKS)


def _in_long_recording(entry: Entry) -> Entry:
    """The whole recording of a letter: neutral frames before and after each expression, one folder for all."""
    subject, letter, _ = entry.folder.name.split("_")
    first, last = entry.frames[0], entry.frames[-1]
    frames = (*range(max(1, first - 2), first), *entry.frames, last + 1, last + 2)
    return entry._replace(folder=PurePosixPath("part_A") / subject / letter / "color", frames=frames)


CASME3_LONG = CASME3._replace(name="casme3-long", arrange=_in_long_recording)
