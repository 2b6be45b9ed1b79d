"""CAS(ME)^3: Part A, two folder forms, a workbook of strings; Part C, see ``part_c.py``."""

from collections.abc import Sequence
from pathlib import Path

from data.annotations import Annotation, Columns, Table, matching
from data.casme3 import part_c
from data.fixes import CASME3
from data.frames import Footage, Tree, footage_in, fullest
from data.survey import Layout
from data.tables import the_table
from fedpsyau_jax.priors.action_units import ACTION_UNITS

_DEPTH = {"depth"}

COLUMNS = Columns(
    database="CAS(ME)^3",
    required=("subject", "filename", "onset", "apex", "offset", "au", "emotion"),
    subject=matching(r"(?:sp\s*no\.?\s*|sub[\s_]*)?0*(\d+)", lambda found: f"spNO.{found[1]}"),
    filename=matching(r"[a-z]\d?", lambda found: found[0].lower()),
    key=lambda subject, filename, onset: f"{subject}_{filename}_{onset}",
    fps=30,
    file="*part_a_me_label*",
    sheet="label",
    needed=("onset",),
    fixes=CASME3,
    filled=True,
)


def _keys(annotation: Annotation) -> list[str]:
    """The clip's key; and that with the onset as the provider's table wrote it, where we mend it."""
    recording = f"{annotation.subject}_{annotation.filename}"
    written = [
        fix.wrong for fix in CASME3 if (fix.recording, fix.column, fix.right) == (recording, "onset", annotation.onset)
    ]
    return [annotation.clip, *(f"{recording}_{onset}" for onset in written)]


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``Part_A_ME_clip/frame/{clip}/`` or ``part_A/{Subject}/{Filename}/color/``, at any depth; never depth pictures.

    Of folders whose names differ in case only, which can share out a recording, the one that holds the onset.
    """
    clips = [
        folder for key in _keys(annotation) for folder in tree.named(key) if not _DEPTH & part_c.above(tree, folder)
    ]
    clips.sort(key=lambda folder: "frame" not in part_c.above(tree, folder))
    recordings = list(tree.nears(annotation.subject, annotation.filename, "color"))
    recordings.sort(key=lambda folder: annotation.onset not in tree.numbered(folder))
    found = fullest(
        footage_in(tree, folder, whole) for folders, whole in ((clips, True), (recordings, False)) for folder in folders
    )
    recording = f"part_A/{annotation.subject}/{annotation.filename}/color"
    return found or f"folder Part_A_ME_clip/frame/{annotation.clip} or {recording}"


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """The table of the part that the configuration names."""
    return [the_table(tree, part_c.COLUMNS if config == "part_c" else COLUMNS, table)]


def locate_clip(tree: Tree, annotation: Annotation) -> Footage | str:
    """The frames of either part; only Part A's subjects are called ``spNO.``."""
    return locate(tree, annotation) if annotation.subject.startswith("spNO.") else part_c.locate(tree, annotation)


LAYOUT = Layout(
    title="CAS(ME)^3",
    expected=(
        "expected: cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx (sheet `label`), and the frames as\n"
        "  Part_A_ME_clip/frame/{Subject}_{Filename}_{Onset}/{n}.jpg, or part_A/{Subject}/{Filename}/color/{n}.jpg;\n"
        "  for --config part_c CAS(ME)3_part_C_ME.xlsx, and the frames as part_C/{sub}/a/color/{n}.jpg"
    ),
    read=read,
    locate=locate_clip,
    labelled=frozenset(ACTION_UNITS),
)
