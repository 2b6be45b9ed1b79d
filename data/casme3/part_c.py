"""CAS(ME)^3 Part C, the mock crime: one long recording a subject, a table without apexes."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from data.annotations import Annotation, Columns, matching
from data.frames import Footage, Tree, footage_in, fullest

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
_PARTS = {"part_c", "me_c"}
_NOT_HERE = {"depth", "part_a", "part_b"}
_OF_A_SUBJECT = re.compile(r"(sub[\s_]*)?\d{1,2}|color|frame")


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``part_C/01/a/color/`` for a recording; or a folder a clip, as copies cut them, see ``_clips``; at any depth.

    Where the recording is there it counts; else the first clip's folder that holds pictures.
    """
    places = chain(
        ((folder, False) for folder in _recordings(tree, annotation)),
        ((folder, True) for folder in _clips(tree, annotation)),
    )
    found = fullest(footage_in(tree, folder, whole) for folder, whole in places)
    return found or f"folder part_C/{annotation.subject}/a/color"


def _subject_folders(tree: Tree, annotation: Annotation) -> list[Path]:
    """The folders of a subject's name, those below ``part_C`` first; none in another subject's, where clips are."""
    number = str(int(annotation.subject))
    spellings = dict.fromkeys([annotation.subject, number, f"sub{annotation.subject}", f"sub{number}"])
    found = [folder for name in spellings for folder in tree.named(name) if not _NOT_HERE & above(tree, folder)]
    first = [folder for folder in found if not any(map(_OF_A_SUBJECT.fullmatch, above(tree, folder)))]
    return sorted(first, key=lambda folder: not _PARTS & above(tree, folder))


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
    for name in (f"{number}_{count}_{annotation.onset}" for number in numbers):
        yield from (folder for folder in tree.named(name) if not _NOT_HERE & above(tree, folder))


def above(tree: Tree, folder: Path) -> set[str]:
    """Names of the folders between a copy and a folder in it, in lower case."""
    return {part.lower() for part in folder.relative_to(tree.root).parts[:-1]}
