"""SMIC-E, HS camera: long clips, and a table of up to three expressions in each; 161 of SMIC-HS's clips."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from data.annotations import Annotation, Columns, Dropped, Table
from data.cells import frame_number
from data.frames import Footage, Tree, footage_in, fullest
from data.grids import is_blank
from data.known_clips import is_in_smic
from data.sheets import TableError, read_sheet
from data.smic.known import remarks_on
from data.smic.names import CLIP_FOLDER, SLOWER_CAMERA, clip_of, emotion_of, subject_of
from data.smic.short import FPS, above, is_extended, is_high_speed, pictures_are
from data.tables import the_table

Frames = tuple[int | None, int | None]
_LATER = (2, 3)
COLUMNS = Columns(
    database="SMIC-E HS",
    required=("subject", "filename", "onset", "offset"),
    subject=subject_of,
    filename=clip_of,
    key=lambda subject, filename, onset: filename,
    fps=FPS,
    file="smic-hs-e_annotation*",
    sheet="HS",
    needed=("onset",),
    spellings=tuple((f"{name}{which}", f"{name}{which}f") for which in _LATER for name in ("onset", "offset")),
)


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """The table's rows; and a row's second and third interval, where they are clips of SMIC-HS without a row.

    Raises:
        TableError: there is no such table.
    """
    del config
    whole = the_table(tree, COLUMNS, table)
    if SLOWER_CAMERA.search(whole.path.stem):
        raise TableError(
            f"{whole.path}: the table of a camera of 25 frames a second; SMIC-HS-E_annotation.xlsx is needed"
        )
    readers = {"subject": COLUMNS.subject, "filename": COLUMNS.filename}
    sheet = read_sheet(whole.path, COLUMNS.required, COLUMNS.sheet, {}, readers, COLUMNS.spellings)
    cells = {row.number: row.cells for row in sheet.rows}
    taken = {row.clip for row in whole.annotations} | {row.clip for row in whole.dropped}
    annotations, dropped = list[Annotation](), list(whole.dropped)
    for row in whole.annotations:
        annotations.append(_by_name(row))
        for later in _later(row, cells[row.row], taken):
            if isinstance(later, Annotation):
                annotations.append(_by_name(later))
                taken.add(later.clip)
            else:
                dropped.append(later)
    problems = (*whole.problems, *_of_others(whole))
    remarks = (*whole.remarks, *remarks_on(row.clip for row in annotations))
    return [whole._replace(annotations=tuple(annotations), dropped=tuple(dropped), problems=problems, remarks=remarks)]


def _by_name(row: Annotation) -> Annotation:
    """A row with the class that its clip's name says, as in published lists; an apex in it somebody has spotted."""
    named = emotion_of(row.clip)
    told = row.emotion or (None if row.emotion_number is None else str(row.emotion_number))
    differs = row.emotion is not None and row.emotion != named
    notes = [f"the table says {told}: the clip's name says {named}"] if differs else []
    notes += ["its apex was spotted by somebody: SMIC marks none"] if row.apex is not None else []
    kind = row.apex_kind if row.apex is None else "spotted"
    return row._replace(emotion=named, emotion_number=None, apex_kind=kind, notes=(*row.notes, *notes))


def _later(row: Annotation, cells: Mapping[str, object], taken: set[str]) -> Iterator[Annotation | Dropped]:
    """The second and third interval of a row: the clips that follow its own in number, or why they are none."""
    name, number = row.clip[:-2], int(row.clip[-2:])
    seen = {(row.onset, row.offset)}
    for which in _LATER:
        onset_cell, offset_cell = (cells.get(f"{column}{which}") for column in ("onset", "offset"))
        if is_blank(onset_cell) and is_blank(offset_cell):
            continue
        place = f"{row.clip}, Onset{which}F"
        try:
            onset, offset = frame_number(f"Onset{which}F", onset_cell), frame_number(f"Offset{which}F", offset_cell)
        except ValueError as error:
            yield Dropped(row.row, place, str(error))
            continue
        following = f"{name}{number + 1:02d}"
        reason = _refused(row, which, onset, offset, seen)
        if not reason and (following in taken or not is_in_smic(following)):
            why = f"{following} has a row of its own" if following in taken else f"there is no {following}"
            reason = f"the interval {onset} to {offset} is no clip of SMIC-HS: {why}"
        if reason:
            yield Dropped(row.row, place, reason)
            continue
        number += 1
        seen.add((onset, offset))
        notes = (*row.notes, f"interval {which} of {row.clip}")
        yield row._replace(clip=following, onset=onset, apex=None, offset=offset, notes=notes)


def _refused(row: Annotation, which: int, onset: int | None, offset: int | None, seen: set[Frames]) -> str:
    if onset is None or offset is None:
        return f"Onset{which}F or Offset{which}F is empty"
    if (onset, offset) in seen:
        return f"the interval {onset} to {offset} is there twice"
    if onset < (row.onset or 0):
        return f"Onset{which}F {onset} lies before OnsetF {row.onset}"
    return f"Offset{which}F {offset} lies before Onset{which}F {onset}" if offset <= onset else ""


def _of_others(table: Table) -> Iterator[str]:
    """A line for each row that gives a clip to a subject whose clip it is not."""
    for row in table.annotations:
        if subject_of(row.clip.split("_")[0]) != row.subject:
            yield f"{table.path}, row {row.row}: the clip {row.clip} is not of the subject {row.subject}"


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``SMIC-HS-E/s20/s20_ne_01/``, at any depth; or the long clip of the same subject and class that holds the onset.

    Of several folders of one name that of a long clip, with the onset.
    """
    subject, kind, _ = annotation.filename.split("_")
    every = [(clip_of(folder.name), folder) for folder in tree.matching(CLIP_FOLDER)]
    shown = [(clip, folder) for clip, folder in every if clip.startswith(f"{subject}_") and is_high_speed(tree, folder)]
    own = [folder for clip, folder in shown if clip == annotation.filename]
    alike = [] if own else [folder for clip, folder in shown if clip.startswith(f"{subject}_{kind}_")]
    found = [footage_in(tree, folder, whole=False) for folder in (*own, *alike)]
    raw = [one for one in found if pictures_are(tree, one) != "cropped" or is_extended(tree, one.folder)]
    usable = raw if own else [one for one in raw if annotation.onset in one.frames]
    place = f"{annotation.subject}/{annotation.filename}" if shown else annotation.subject
    return fullest(sorted(usable, key=partial(_rank, tree, annotation))) or f"folder SMIC-HS-E/{place}"


def _rank(tree: Tree, annotation: Annotation, found: Footage) -> tuple[bool, bool, bool]:
    return (
        annotation.onset not in found.frames,
        not is_extended(tree, found.folder),
        "micro" in above(tree, found.folder),
    )
