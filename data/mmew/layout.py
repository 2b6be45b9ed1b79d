"""MMEW, the micro-expressions: two folder forms, frames that count within the clip or within the recording."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from data.annotations import Annotation, Columns, Table, matching
from data.frames import Footage, Frame, Tree, footage_in, fullest
from data.survey import Layout
from data.tables import the_table
from fedpsyau_jax.priors.action_units import ACTION_UNITS

_LOST = 2  # frames that a recorder or a converter may lose at the end

COLUMNS = Columns(
    database="MMEW",
    required=("subject", "filename", "onset", "apex", "offset", "au", "emotion"),
    subject=matching(r"(?:s(?:ub)?[\s_]*)?0*(\d{1,2})", lambda found: f"S{int(found[1]):02d}"),
    filename=matching(
        r"s?0*(\d{1,2})[\s_-]+0*(\d{1,2})[\s_-]+0*(\d{1,3})",
        lambda found: f"S{int(found[1]):02d}-{int(found[2]):02d}-{int(found[3]):03d}",
    ),
    key=lambda subject, filename, onset: filename,
    fps=90,
    file="mmew_micro_exp*",
)


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """The table; a clip of another subject than its row's is a problem, as its name begins with whose it is."""
    del config
    found = the_table(tree, COLUMNS, table)
    return [found._replace(problems=(*found.problems, *_of_others(found)))]


def _of_others(table: Table) -> Iterator[str]:
    for row in table.annotations:
        if row.filename.partition("-")[0] != row.subject:
            yield f"{table.path}, row {row.row}: the clip {row.filename} is not of the subject {row.subject}"


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``S03/happiness/S03-01-002/`` or ``Micro_Expression/happiness/S03-01-002/``, at any depth."""
    folders = (folder for folder in tree.named(annotation.filename) if not _is_macro(tree, folder))
    found = fullest(footage_in(tree, folder, whole=True) for folder in folders)
    return _numbered_as(found, annotation) if found else f"folder Micro_Expression/*/{annotation.filename}"


def _is_macro(tree: Tree, folder: Path) -> bool:
    return any(part.lower().startswith("macro") for part in folder.relative_to(tree.root).parts)


def _numbered_as(found: Footage, annotation: Annotation) -> Footage:
    """Pictures under the numbers of the table, which may count from the recording's first frame.

    Taken for such are frames outside the pictures' own numbers, if the pictures are about as many [inferred].
    """
    onset, last = annotation.onset, annotation.offset
    if not found.frames or onset is None or last is None:
        return found
    first, count = min(found.frames), max(found.frames) - min(found.frames) + 1
    outside = max(0, first - onset) + max(0, last - max(found.frames))
    differing = abs(count - (last - onset + 1))
    if outside <= differing or differing > _LOST:
        return found
    frames: dict[int, Frame] = {number - first + onset: frame for number, frame in found.frames.items()}
    note = f"its pictures count from {first}: the first is the onset {onset}"
    return found._replace(frames=frames, notes=(*found.notes, note))


LAYOUT = Layout(
    title="MMEW",
    expected="expected: MMEW_Micro_Exp.xlsx, and the frames as Micro_Expression/happiness/S03-01-002/1.jpg, "
    "or as S03/happiness/S03-01-002/1.jpg",
    read=read,
    locate=locate,
    labelled=frozenset(ACTION_UNITS),
)
