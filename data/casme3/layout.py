"""CAS(ME)^3 Part A: two folder forms, a workbook of strings."""

from pathlib import Path

from data.annotations import Annotation, Columns, frame_number, matching
from data.fixes import CASME3
from data.frames import Footage, Tree, footage_in, fullest
from data.survey import Layout
from data.tables import only_table
from fedpsyau_jax.priors.action_units import ACTION_UNITS

_DEPTH = {"depth"}


def _apex_kind(cells: dict[str, object]) -> str:
    """A copy in circulation replaces unmarked apexes by the midpoint, as numbers among the table's strings."""
    onset, apex, offset = (cells.get(name) for name in ("onset", "apex", "offset"))
    if not isinstance(apex, int) or not isinstance(onset, str) or not isinstance(offset, str):
        return "annotated"
    first, last = (frame_number("frame", cell) for cell in (onset, offset))
    if first is None or last is None:
        return "annotated"
    return "midpoint" if apex == -((first + last) // -2) else "annotated"


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
    apex_kind=_apex_kind,
)


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``Part_A_ME_clip/frame/{clip}/`` or ``part_A/{Subject}/{Filename}/color/``, at any depth; never depth pictures.

    Of folders whose names differ in case only, which can share out a recording, the one that holds the onset.
    """
    clips = [folder for folder in tree.named(annotation.clip) if not _DEPTH & _above(tree, folder)]
    clips.sort(key=lambda folder: "frame" not in _above(tree, folder))
    recordings = list(tree.nears(annotation.subject, annotation.filename, "color"))
    recordings.sort(key=lambda folder: annotation.onset not in tree.numbered(folder))
    found = fullest(
        footage_in(tree, folder, whole) for folders, whole in ((clips, True), (recordings, False)) for folder in folders
    )
    recording = f"part_A/{annotation.subject}/{annotation.filename}/color"
    return found or f"folder Part_A_ME_clip/frame/{annotation.clip} or {recording}"


def _above(tree: Tree, folder: Path) -> set[str]:
    return {part.lower() for part in folder.relative_to(tree.root).parts[:-1]}


LAYOUT = Layout(
    title="CAS(ME)^3 Part A",
    expected=(
        "expected: cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx (sheet `label`), and the frames as\n"
        "  Part_A_ME_clip/frame/{Subject}_{Filename}_{Onset}/{n}.jpg, or part_A/{Subject}/{Filename}/color/{n}.jpg"
    ),
    read=only_table(COLUMNS),
    locate=locate,
    labelled=frozenset(ACTION_UNITS),
)
