import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook

from data.annotations import Annotation, Columns, Dropped, Table, read_table
from data.apex import APEX_POLICIES, Apex, choose_apex
from data.casme2.layout import COLUMNS as CASME2
from data.casme3.layout import COLUMNS as CASME3
from data.clips import Clip, find_clip
from data.disfa.layout import pairs
from data.fixes import CASME3 as CASME3_FIXES
from data.frames import Footage, Tree
from data.labels import EMOTIONS, SEVEN, THREE, class_name
from data.samm.layout import COLUMNS as SAMM
from data.sheets import TableError, read_sheet
from fedpsyau_jax.synthesis.layouts.casme3_table import write_full_table

REAL = Path(__file__).parents[1].parent / "shared" / "annotations"
CASME3_TABLE = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
needs_real_tables = pytest.mark.skipif(not REAL.is_dir(), reason="no real annotation tables here")
HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
ROW = ["spNO.1", "a", "355", "359", "370", "4", "II", "disgust"]
SAME = "onset and apex are the same frame"
PLAIN = Annotation(2, "s", "f", "s_f", 10, 15, 20, 30, "fear", None)


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def three_classes(table: Table) -> tuple[Counter[str], int]:
    named = [(row, class_name(row.emotion, 3)) for row in table.annotations if row.emotion]
    kept = [(row.subject, name) for row, name in named if name]
    return Counter(name for _, name in kept), len({subject for subject, _ in kept})


def check_casme3_counts(table: Table) -> None:
    assert len(table.annotations) + len(table.dropped) == 860
    assert not table.dropped
    assert len({row.subject for row in table.annotations}) == 94
    assert Counter(row.emotion for row in table.annotations) == {
        "disgust": 250, "surprise": 187, "others": 161, "fear": 86, "anger": 64, "sadness": 57, "happiness": 55,
    }  # fmt: skip
    assert three_classes(table) == ({"negative": 457, "positive": 55, "surprise": 187}, 88)
    recordings = Counter((row.subject, row.filename) for row in table.annotations)
    assert sum(count > 1 for count in recordings.values()) == 191


@pytest.mark.slow
def test_a_table_of_the_size_of_casme3_gives_its_counts(tmp_path: Path):
    truth = write_full_table(tmp_path)
    table = read_table(truth.tables[0], CASME3)
    check_casme3_counts(table)
    assert sum(row.apex == row.onset for row in table.annotations) == 55
    unusable = [row for row in table.annotations if isinstance(choose_apex(row, APEX_POLICIES["drop"]), str)]
    assert len(unusable) == 55
    mended = [row for row in table.annotations if any("known mistake" in note for note in row.notes)]
    assert {f"{row.subject}_{row.filename}" for row in mended} == {fix.recording for fix in CASME3_FIXES}
    assert len(mended) == 5


def test_known_mistakes_are_mended_whatever_the_onset_that_lies_before(tmp_path: Path):
    cells = [("spNO.149", "D", 110, 160, 130), ("spNO.149", "d", 140, 160, 190), ("spno.40", "e", 1900, 1910, 0)]
    lines = [[*cells[i], "4", "II", "fear"] for i in range(3)]
    read = read_table(workbook(tmp_path / "table.xlsx", label=[HEADER, *lines]), CASME3).annotations
    assert [(row.apex, row.offset, len(row.notes)) for row in read] == [(123, 130, 1), (160, 190, 0), (1910, 2403, 1)]


@needs_real_tables
def test_the_real_casme3_table_gives_its_counts():
    table = read_table(REAL / CASME3_TABLE, CASME3)
    check_casme3_counts(table)
    assert Counter(row.apex_kind for row in table.annotations) == {"annotated": 720, "midpoint": 140}
    rows = {row.clip: row for row in table.annotations}
    assert (rows["spNO.40_e_1812"].offset, rows["spNO.40_e_2327"].offset) == (1845, 2403)
    assert (rows["spNO.214_c_5"].apex, rows["spNO.214_c_5"].offset) == (20, 34)
    assert all(isinstance(choose_apex(row, APEX_POLICIES["drop"]), Apex) for row in table.annotations)


@needs_real_tables
@pytest.mark.parametrize(
    ("file", "columns", "num_rows", "num_subjects", "num_ambiguous", "num_at_rest"),
    [("CASME2-coding.xlsx", CASME2, 250, 26, 0, 0), ("SAMM-coding.xlsx", SAMM, 159, 29, 9, 9)],
)
def test_the_real_tables_are_read_whole(
    file: str, columns: Columns, num_rows: int, num_subjects: int, num_ambiguous: int, num_at_rest: int
):
    table = read_table(REAL / file, columns)
    assert (len(table.annotations), table.dropped) == (num_rows, ())
    assert len({row.subject for row in table.annotations}) == num_subjects
    assert all(row.action_units is not None for row in table.annotations)
    notes = [note for row in table.annotations for note in row.notes]
    assert sum(note.startswith("AUs ambiguous") for note in notes) == num_ambiguous
    assert sum("unknown" in note and "ref" in note for note in notes) == num_at_rest


@needs_real_tables
@pytest.mark.parametrize(("file", "columns"), [("CASME2-coding.xlsx", SAMM), (CASME3_TABLE, CASME2)])
def test_the_real_table_of_another_database_is_refused(file: str, columns: Columns):
    with pytest.raises(TableError, match="another database"):
        read_table(REAL / file, columns)


@pytest.mark.parametrize("header_row", [1, 14])
def test_the_header_is_found_by_its_names(header_row: int, tmp_path: Path):
    header = ["Subject", None, "FileName ", "ONSET frame", "Apex_Frame", "OffestFrame", "", "Action Units", "Emotion"]
    blank: list[list[Any]] = [["About this table"], [], [None]]
    above = (blank * 5)[: header_row - 1]
    line = [1, None, "EP01_01", 4.0, "/", "12", None, "?", "Repression"]
    path = workbook(tmp_path / "table.xlsx", Notes=[["Subject", "of these notes"]], Coding=[*above, header, line])
    sheet = read_sheet(path, CASME2.required)
    assert (sheet.title, [row.number for row in sheet.rows]) == ("Coding", [header_row + 1])
    (row,) = read_table(path, CASME2).annotations
    assert (row.subject, row.clip, row.onset, row.apex, row.offset) == ("sub01", "sub01_EP01_01", 4, None, 12)
    assert (row.emotion, row.action_units) == ("repression", None)


def test_the_preferred_sheet_comes_first(tmp_path: Path):
    other = [*ROW[:-1], "fear"]
    path = workbook(tmp_path / "table.xlsx", first=[HEADER, other], label=[HEADER, ROW])
    assert read_table(path, CASME3).annotations[0].emotion == "disgust"


def test_unreadable_tables_are_named(tmp_path: Path):
    wrong = workbook(tmp_path / "wrong.xlsx", Sheet1=[[None]], other=[["Subject", "Filename", "Onset"], ["a", "b", 1]])
    with pytest.raises(TableError, match=r"wrong\.xlsx: sheet 'other' has no column apex, offset, au, emotion"):
        read_table(wrong, CASME3)
    (tmp_path / "broken.xlsx").write_bytes(wrong.read_bytes()[:300])
    with pytest.raises(TableError, match=r"broken\.xlsx: not a readable Excel workbook"):
        read_table(tmp_path / "broken.xlsx", CASME3)
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(TableError, match=r"old\.xls: not a readable Excel workbook"):
        read_table(tmp_path / "old.xls", CASME3)
    with pytest.raises(TableError, match=r"absent\.xlsx: cannot be read \(No such file or directory\)"):
        read_table(tmp_path / "absent.xlsx", CASME3)


@pytest.mark.parametrize(
    ("annotation", "policy", "expected"),
    [
        (PLAIN, "drop", Apex(15, "annotated")),
        (PLAIN._replace(apex=10), "drop", SAME),
        (PLAIN._replace(apex=None), "drop", "no apex is annotated"),
        (PLAIN._replace(apex=10), "midpoint", Apex(15, "midpoint")),
        (PLAIN._replace(apex=10, offset=21), "midpoint", Apex(16, "midpoint")),
        (PLAIN._replace(apex=None), "spot", Apex(None, "spotted")),
        (PLAIN._replace(apex=10, offset=None), "spot", f"{SAME}, and there is no offset to spot one before"),
    ],
)  # fmt: skip
def test_apex_policies(annotation: Annotation, policy: str, expected: Apex | str):
    assert choose_apex(annotation, APEX_POLICIES[policy]) == expected


def clip_of(annotation: Annotation, *numbers: int, whole: bool = False) -> Clip | Dropped:
    footage = Footage(Path("f"), {number: Path(f"{number}.jpg") for number in numbers}, whole)
    return find_clip(annotation, footage, APEX_POLICIES["drop"], {})


def test_missing_frames_are_replaced_by_near_ones_and_noted():
    clip = clip_of(PLAIN, 11, 14, 17, 20)
    assert isinstance(clip, Clip)
    assert clip.apex is not None
    assert (clip.onset.number, clip.apex.number) == (11, 14)
    assert clip.notes == ("onset frame 10 is missing: 11 taken", "apex frame 15 is missing: 14 taken")


def test_far_frames_are_no_replacement():
    dropped = clip_of(PLAIN, 1, 15)
    assert isinstance(dropped, Dropped)
    assert dropped.reason == "the picture of the onset (frame 10) is missing, and every one near it"
    same = clip_of(PLAIN._replace(apex=12), 11)
    assert isinstance(same, Dropped)
    assert same.reason == "frames are missing: onset and apex would be the same picture"


def test_what_the_table_leaves_out_is_the_clips_first_and_last_frame():
    bare = PLAIN._replace(onset=None, offset=None)
    clip = clip_of(bare, 9, 15, 30, whole=True)
    assert isinstance(clip, Clip)
    assert (clip.onset.number, clip.offset) == (9, 30)
    assert clip_of(bare, 9, 15, 30) == Dropped(2, "s_f", "no onset is annotated")


def test_an_offset_before_the_onset_is_unknown():
    clip = clip_of(PLAIN._replace(offset=0), 10, 15)
    assert isinstance(clip, Clip)
    assert clip.offset is None
    assert clip.notes == ("offset 0 lies before the onset 10: taken as unknown",)


def test_folders_are_found_whatever_their_case_and_frames_whatever_their_padding(tmp_path: Path):
    for name in ("Clips/spNo.1/b", "clips/SPno.1/A"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("img9.jpg", "reg_img9.jpg", "img0010.JPG", "._img11.jpg", "notes12.txt", "img.jpg"):
        (tmp_path / "clips" / "SPno.1" / "A" / name).touch()
    tree = Tree(tmp_path)
    folder = tree.find("CLIPS", "spNO.1", "a")
    assert folder == tmp_path / "clips" / "SPno.1" / "A"
    assert {number: path.name for number, path in tree.numbered(folder).items()} == {9: "img9.jpg", 10: "img0010.JPG"}
    assert tree.find("clips", "spNO.2") is None


def test_class_maps_cover_every_emotion():
    assert {emotion: class_name(emotion, 7) for emotion in SEVEN} == dict(zip(SEVEN, SEVEN, strict=True))
    assert {class_name(emotion, 3) for emotion in EMOTIONS} == {*THREE, None}
    assert {class_name(emotion, 4) for emotion in EMOTIONS} == {*THREE, "others"}
    unclassed = ["repression", "others", "negative", "positive"]
    assert [emotion for emotion in EMOTIONS if class_name(emotion, 7) is None] == unclassed
    assert [emotion for emotion in SEVEN if class_name(emotion, 7, "casme3") is None] == ["contempt"]
    assert class_name("others", 7, "casme3") == "others"


def test_long_events_give_pairs_a_second_apart():
    levels = np.zeros((500, 2), int)
    levels[0:5, 0] = 5
    levels[100:400, 0] = 2
    levels[110, 0], levels[200, 1], levels[205, 1] = 5, 4, 3
    found = pairs(levels)
    assert found[0] == (None, 0)
    neutral, places = {neutral for neutral, _ in found[1:]}, [place for _, place in found[1:]]
    assert neutral == {99}
    assert {110, 200} <= set(places)
    assert 205 not in places
    assert min(np.diff(sorted(places))) >= 20
    assert max(places) < 100 + 200


def test_numbers_of_any_type_are_read(tmp_path: Path):
    rows = [["spNO.1", "a", 1, 2.0, "3", 4, "", "sad"], ["spNO.1", "b", "1.0", "2", math.nan, None, "", "Happy"]]
    first, second = read_table(workbook(tmp_path / "table.xlsx", label=[HEADER, *rows]), CASME3).annotations
    assert (first.clip, first.onset, first.apex, first.offset, first.emotion) == ("spNO.1_a_1", 1, 2, 3, "sadness")
    assert first.action_units is not None
    assert (second.clip, second.onset, second.offset, second.action_units) == ("spNO.1_b_1", 1, None, None)
