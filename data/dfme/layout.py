"""DFME: the full release in four parts, three subsets of it, and the challenge release (CCAC 2024)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from data.annotations import Annotation, Columns, Dropped, Table, matching
from data.emotion_numbers import ALPHABETICAL
from data.frames import Footage, Tree, footage_in, fullest
from data.sheets import TableError
from data.survey import Layout
from data.tables import find_tables, the_table
from fedpsyau_jax.priors.action_units import ACTION_UNITS

FULL = Columns(
    database="DFME",
    required=("subject", "filename", "fps"),
    subject=matching(r"(?:sub[\s_]*)?0*(\d+)", lambda found: f"sub{int(found[1]):04d}"),
    filename=matching(r"\S+", lambda found: found[0]),
    key=lambda subject, filename, onset: filename if filename.lower().startswith(subject) else f"{subject}_{filename}",
    fps=None,
    file="dfme_data_coding*",
    fallback=(("emotion", 6),),
    emotion_numbers=ALPHABETICAL,
)
CHALLENGE = FULL._replace(
    database="the DFME challenge",
    required=("subject", "filename", "onset", "apex", "offset", "emotion", "fps", "au"),
    fallback=(),
)
CHALLENGE_FOLDERS = ("train_data", "test_data_A", "test_data_B")
_TABLE_NAMES = ("train", "testa|dataa", "testb|datab")
_FRAME_FOLDERS = ("micro", "micro_static_aligned_croped")


def part_of(annotation: Annotation) -> str:
    """The part of the release that holds a clip: A, B, C by subject, D500 and D200 also by frame rate."""
    number = int(annotation.subject.removeprefix("sub"))
    if number <= 15:
        return "A"
    if number <= 110:
        return "B"
    return "C" if number <= 300 else f"D{annotation.fps}"


SUBSETS: Mapping[str, Callable[[str], bool]] = {
    "A": lambda part: part in ("A", "D500"),
    "B": lambda part: part == "B",
    "C": lambda part: part in ("C", "D200"),
    "all": lambda part: True,
}


def subset_of(annotation: Annotation) -> str:
    """The subset of a clip, A, B or C; ``dfme`` for a clip of part D at another frame rate than theirs."""
    part = part_of(annotation)
    return next((name for name in "ABC" if SUBSETS[name](part)), "dfme")


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """One table of the full release, its rows of this subset; or all tables of the challenge.

    The subsets [inferred] are DFME-A = part A and the 500 fps clips of part D, B = part B, C = part C and the
    200 fps clips of part D.
    """
    _check_release(tree, config)
    if config == "challenge":
        if table:
            return [the_table(tree, CHALLENGE, table)]
        (first, *others), unfit = find_tables(tree, CHALLENGE, everywhere=True)
        problems = (*first.problems, *_shared([first, *others]), *_unlisted(tree, [first, *others], unfit))
        return [first._replace(problems=problems, passed_over=(*first.passed_over, *unfit)), *others]
    whole = the_table(tree, FULL, table)
    parts = [(part_of(row), row) for row in whole.annotations]
    rows = tuple(row for part, row in parts if SUBSETS[config](part))
    stray = [
        Dropped(row.row, row.clip, f"part D at {row.fps} fps belongs to no subset")
        for part, row in parts
        if config != "all" and subset_of(row) not in SUBSETS
    ]
    if not rows:
        raise TableError(f"{whole.path}: no row belongs to DFME-{config}")
    return [whole._replace(annotations=rows, dropped=(*whole.dropped, *stray))]


def _check_release(tree: Tree, config: str) -> None:
    """Two releases annotate in the same columns, but their folders tell which one this is."""
    challenge = any(tree.named(name) for name in CHALLENGE_FOLDERS)
    full = _is_full_release(tree)
    if config == "challenge" and full and not challenge:
        raise TableError(f"{tree.root}: the full release, not the challenge; choose --config all, A, B or C")
    if config != "challenge" and challenge and not full:
        raise TableError(f"{tree.root}: the challenge release; choose --config challenge")


def _shared(tables: Sequence[Table]) -> Iterator[str]:
    seen: dict[str, Path] = {}
    for table in tables:
        for row in table.annotations:
            first = seen.setdefault(row.clip, table.path)
            if first != table.path:
                yield f"{table.path}, row {row.row}: clip {row.clip} is in {first}, too"


def _unlisted(tree: Tree, tables: Sequence[Table], unfit: Sequence[str]) -> Iterator[str]:
    """Sets of the challenge that no table annotates: theirs is missing, or is one of those passed over."""
    clips = {row.filename.lower() for table in tables for row in table.annotations}
    for name in CHALLENGE_FOLDERS:
        inside = _clips_in(tree, name)
        if inside and clips.isdisjoint(folder.name.lower() for folder in inside):
            place = inside[0].parent
            yield "\n".join([f"{place}: no table lists any of its {len(inside)} clips", *unfit])


def _clips_in(tree: Tree, name: str) -> list[Path]:
    """The clips' folders of a set of the challenge, which may lie in a folder of its own name."""
    return [clip for folder in tree.named(name) for clip in tree.folders(folder) if clip.name.lower() != name.lower()]


def missing_set(tree: Tree, table: Table) -> str:
    """Which set of the challenge is not there, if none of a table's clips is.

    The table's name says whose it is (``training``, ``testA_full_with_AU``), else it is one of those not there.
    """
    absent = [name for name in CHALLENGE_FOLDERS if not _clips_in(tree, name)]
    letters = "".join(re.findall("[a-z]", table.path.stem.lower()))
    named = [name for name, word in zip(CHALLENGE_FOLDERS, _TABLE_NAMES, strict=True) if re.search(word, letters)]
    meant = [name for name in absent if name in named] or absent
    return f"folder {' or '.join(meant)}" if meant else ""


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``train_data/{clip}/`` and its like, or ``USTC_MEv4_part*/micro/{emotion}/{clip}/``, at any depth."""
    clip, parts = annotation.filename, _part_folders(tree, annotation)
    challenge = (folder for name in CHALLENGE_FOLDERS for folder in tree.nears(name, clip))
    kinds = (tree.find(name, start=part) for part in parts for name in _FRAME_FOLDERS)
    full = (tree.find(clip, start=emotion) for kind in kinds if kind for emotion in tree.folders(kind))
    bare = [] if _is_full_release(tree) else tree.named(clip)
    found = fullest(footage_in(tree, folder, whole=True) for folder in chain(challenge, full, bare) if folder)
    if found or not _is_full_release(tree):
        return found or f"folder {clip} of {', '.join(CHALLENGE_FOLDERS)}"
    part = "USTC_MEv4_part{}_*{}".format(*_part_name(annotation))
    return f"folder {part}/micro/*/{clip}" if parts else f"folder {part}"


def _part_folders(tree: Tree, annotation: Annotation) -> list[Path]:
    letter, tail = _part_name(annotation)
    return tree.matching(rf".*part{letter}_.*{tail}")


def _part_name(annotation: Annotation) -> tuple[str, str]:
    """Letter, and end, of the name of a clip's part of the release."""
    part = part_of(annotation)
    return part[0], f"_{part[1:]}fps" if part.startswith("D") else ""


def _is_full_release(tree: Tree) -> bool:
    return bool(tree.matching(r"USTC_MEv4_part[A-D]_.*"))


LAYOUT = Layout(
    title="DFME",
    expected=(
        "expected: DFME_data_coding.xlsx, and the frames as\n"
        "  USTC_MEv4_partA_sub0001_sub0015/micro/{emotion}/{clip}/*.png (parts A to D);\n"
        "  or for the challenge release a table for each of train_data, test_data_A, test_data_B, and the frames as\n"
        "   train_data/sub0003_01/00109.png"
    ),
    read=read,
    locate=locate,
    labelled=frozenset(ACTION_UNITS),
    missing_part=missing_set,
)
