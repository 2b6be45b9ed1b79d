"""CAS(ME)^3 Part C, the mock crime: one long recording a subject, a table without apexes."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from data.annotations import Annotation, Columns, matching
from data.frames import Footage, Tree

COLUMNS = Columns(
    database="CAS(ME)^3 Part C",
    required=("subject", "filename", "onset", "offset", "au", "emotion"),
    subject=matching(r"(?:sub[\s_]*)?0*(\d{1,2})", lambda found: f"{int(found[1]):02d}"),
    filename=matching(r"0*(\d+)", lambda found: found[1]),
    key=lambda subject, filename, onset: f"{subject}_{filename}_{onset}",
    fps=30,
    file="*part_c_me*",
    needed=("onset",),
    spellings=(("filename", "count"),),
)
_ABOVE = (("part_C",), ("part_C", "part_C"), ("ME_C",), ())


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``part_C/01/a/color/`` for a recording; or a folder a clip, as copies cut them, see ``_clips``.

    Where the recording is there it counts; else the first clip's folder that holds pictures.
    """
    places = [
        *((folder, False) for folder in _recordings(tree, annotation)),
        *((folder, True) for folder in _clips(tree, annotation)),
    ]
    footage = [Footage(folder, tree.numbered(folder), whole) for folder, whole in places]
    found = next((one for one in footage if one.frames), footage[0] if footage else None)
    return found or f"folder part_C/{annotation.subject}/a/color"


def _subject_folders(tree: Tree, annotation: Annotation) -> Iterator[Path]:
    number = str(int(annotation.subject))
    spellings = dict.fromkeys([annotation.subject, number, f"sub{annotation.subject}", f"sub{number}"])
    found = (tree.find(*above, name) for above, name in product(_ABOVE, spellings))
    yield from (folder for folder in found if folder)


def _recordings(tree: Tree, annotation: Annotation) -> Iterator[Path]:
    """``a/color/`` or ``color/`` of a subject, in whichever one folder it stands."""
    for folder in _subject_folders(tree, annotation):
        inner = [one for one in tree.folders(folder) if one.name.lower() not in ("color", "depth")]
        for place in (folder, *(inner if len(inner) == 1 else ())):
            if (colour := tree.find("color", start=place)) and tree.numbered(colour):
                yield colour


def _clips(tree: Tree, annotation: Annotation) -> Iterator[Path]:
    """``01/{count}/color/``, ``01/color/01_{count}/`` or ``1_{count}/``, ``01/{count}/``, as public code cuts them.

    And ``Part_C_ME_clip/frame/01_{count}_{onset}/``, as those of Part A [inferred].
    """
    count, numbers = annotation.filename, (annotation.subject, str(int(annotation.subject)))
    forms = [(count, "color"), *(("color", f"{number}_{count}") for number in numbers), (count,)]
    for folder in _subject_folders(tree, annotation):
        yield from (found for form in forms if (found := tree.find(*form, start=folder)))
    names = [f"{number}_{count}_{annotation.onset}" for number in numbers]
    yield from (found for name in names if (found := tree.find("Part_C_ME_clip", "frame", name)))
