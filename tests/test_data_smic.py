"""SMIC against synthetic copies whose truth is known, and copies as people have them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from openpyxl import Workbook
from test_data_layouts import blank_copy

from data.apex import drop, spot
from data.clips import Clip, pictures_of
from data.databases import layout_of
from data.frames import Tree
from data.known_clips import COUNTS, compare
from data.protocols import ClipName
from data.smic.names import clip_of, emotion_of, subject_of
from data.survey import Choices, Survey, survey
from fedpsyau_jax.synthesis.layouts import Row, Truth

REAL = Path(__file__).parents[1].parent / "shared" / "annotations"
needs_real_tables = pytest.mark.skipif(not REAL.is_dir(), reason="no real annotation tables here")
HEADER = ["Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F", "Offset3F", "Emotion"]


def film(folder: Path, picture: str = "reg_image{:06d}.bmp", numbers: range = range(20, 30)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = cv2.imencode(Path(picture).suffix, np.full((8, 8), 128, np.uint8))[1].tobytes()
    for number in numbers:
        (folder / picture.format(number)).write_bytes(content)
    return folder


def look(root: Path, config: str = "hs", **choices: object) -> Survey:
    return survey(layout_of("smic"), root, config, Choices(**{"detects": True, **choices}))


def table(path: Path, *rows: list[object]) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "HS"
    for row in [HEADER, *rows]:
        sheet.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def without(found: Survey, rows: Sequence[Row]) -> tuple[Clip, ...]:
    """The clips of all other rows."""
    left_out = {clip_of(row.filename) for row in rows}
    return tuple(clip for clip in found.clips if clip.annotation.clip not in left_out)


def check(found: Survey, truth: Truth) -> None:
    """Every clip of a copy is a sample, from onset to the midpoint."""
    assert (found.problems, len(found.clips)) == ((), len(truth.rows))
    clips = {clip.annotation.clip: clip for clip in found.clips}
    for row in truth.rows:
        clip = clips[clip_of(row.filename)]
        assert (clip.onset.frame, clip.offset) == (row.onset_file, row.offset)
        assert clip.apex is not None
        assert clip.apex.number == -((row.onset + row.offset) // -2)
        assert clip.apex_kind == "midpoint"
        assert (clip.annotation.emotion, clip.annotation.action_units) == (row.emotion, None)
        assert (clip.annotation.subject, clip.annotation.fps) == (subject_of(row.subject), 100)


@pytest.mark.parametrize(("name", "config"), [("smic", "hs"), ("smic", "cropped"), ("smic-raw", "raw")])
def test_every_folder_is_a_clip_of_the_class_that_its_name_says(name: str, config: str, tmp_path: Path):
    truth = blank_copy(name, tmp_path / "copy")
    found = look(truth.root, config)
    rows = [row._replace(emotion=emotion_of(clip_of(row.filename))) for row in truth.rows]
    odd = [row for row in rows if row.quirk == "picture missing"]
    kept = tuple(row for row in rows if row not in odd)
    assert len(found.clips) == len(rows)
    check(found._replace(clips=without(found, odd)), truth._replace(rows=kept))
    assert {note for clip in found.clips for note in clip.notes if "lies in a folder" in note}
    assert any("SMIC marks no apex: it is the midpoint" in remark for remark in found.tables[0].remarks)


def test_rows_of_smic_e_are_clips_in_longer_ones(tmp_path: Path):
    truth = blank_copy("smic-e", tmp_path / "copy")
    found = look(truth.root, "e_hs")
    late = [row for row in truth.rows if row.nearest]
    kept = tuple(row for row in truth.rows if row not in late)
    check(found._replace(clips=without(found, late)), truth._replace(rows=kept))
    assert (found.problems, len(found.clips)) == ((), len(truth.rows))
    reasons = [row.reason for row in found.dropped]
    assert len(reasons) == 4
    assert any("lies before OnsetF" in reason for reason in reasons)
    assert any("is there twice" in reason for reason in reasons)
    assert sum("not as SMIC-E HS writes it" in reason for reason in reasons) == 2
    (told,) = {note for clip in found.clips for note in clip.notes if "the table says" in note}
    assert told.startswith("the table says others: the clip's name says ")


@pytest.mark.parametrize(("policy", "kind"), [(spot, "spotted"), (drop, "")])
def test_the_midpoint_is_not_taken_where_another_apex_is_asked_for(policy, kind: str, tmp_path: Path):
    film(tmp_path / "HS" / "s1" / "micro" / "negative" / "s1_ne_01")
    found = look(tmp_path, apex=policy)
    assert [(clip.apex, clip.apex_kind) for clip in found.clips] == [(None, kind)] * bool(kind)
    if kind:
        assert [picture.number for picture in pictures_of(found.clips[0])] == list(range(20, 30))
    else:
        assert found.problems[0].endswith(
            "no row becomes a sample (no apex is annotated; --apex midpoint or spot finds one)"
        )


def test_a_copy_says_what_of_smic_hs_it_lacks(tmp_path: Path):
    kinds = {"negative": "ne", "positive": "po", "surprise": "sur"}
    for subject, counts in COUNTS["smic"].items():
        for label, count in counts.items():
            for number in range(1, count + 1):
                name = f"s{int(subject[1:])}_{kinds[label]}_{number:02d}"
                film(tmp_path / "HS" / name.split("_")[0] / "micro" / label / name, numbers=range(3, 5))
    found = look(tmp_path)
    assert (len(found.clips), len(found.tables[0].remarks)) == (164, 2)
    assert (
        compare(
            [
                (ClipName("smic", clip.annotation.subject, clip.annotation.clip), str(clip.annotation.emotion))
                for clip in found.clips
            ]
        ).told()
        == ""
    )
    shutil.rmtree(tmp_path / "HS" / "s20" / "micro" / "surprise")
    assert look(tmp_path).tables[0].remarks[2].startswith("5 of the 164 clips of SMIC-HS are not here: s20_sur_01, ")


@pytest.mark.parametrize(
    "form",
    ["HS/HS/{s}/micro/{c}/{k}", "smic/hs/S0{n}/MICRO/Negative/S0{n}_NE_01", "{c}/{k}", "{k}", "all/HS/{s}/{k}/{k}",
     "SMIC all cropped/HS/{s}/micro/{c}/s{n} ne 1"],
)  # fmt: skip
def test_clips_are_found_however_a_copy_lies(form: str, tmp_path: Path):
    film(tmp_path / form.format(s="s5", n=5, c="negative", k="s5_ne_01"), "reg_image{:06d}.PNG")
    (clip,) = look(tmp_path).clips
    assert (clip.annotation.clip, clip.annotation.subject) == ("s05_ne_01", "s05")


@pytest.mark.parametrize(
    ("config", "folders", "told"),
    [
        ("hs", {"a/s1_ne_01": "reg_image{}.bmp", "b/s1_ne_01": "image{}.bmp"}, "holds cropped and raw pictures; cho"),
        ("cropped", {"s1_ne_01": "image{}.bmp"}, "holds raw pictures alone; choose --config raw"),
        ("raw", {"s1_ne_01": "reg_image{}.bmp"}, "holds cropped pictures alone; choose --config cropped"),
        ("hs", {"VIS/s11_ne_01": "image{}.bmp", "NIR/s11_ne_01": "image{}.bmp"}, "VIS or NIR camera (25 frames"),
        ("hs", {"HS_long/SMIC-HS-E/s1/s1_ne_01": "image{}.jpg"}, "holds clips of SMIC-E; choose --config e_hs"),
        ("hs", {"s100_ne_01": "image{}.bmp", "s1_ne_100": "image{}.bmp"}, "no folder is called as a clip of SMIC-HS"),
        ("hs", {"s1/non_micro/s1_non_01": "image{}.bmp"}, "no folder is called as a clip of SMIC-HS, such as s1_ne_01"),
        ("e_hs", {"s1_ne_01": "image{}.jpg"}, "no annotation table of SMIC-E HS"),
    ],
)  # fmt: skip
def test_what_is_not_meant_is_refused_in_a_sentence(config: str, folders: dict[str, str], told: str, tmp_path: Path):
    for folder, picture in folders.items():
        film(tmp_path / folder, picture)
    (problem,) = look(tmp_path, config).problems
    assert told in problem
    assert "expected: HS/s1/micro/negative/s1_ne_01" in problem


def test_pictures_of_other_cameras_are_never_taken(tmp_path: Path):
    film(tmp_path / "SMIC_all_raw" / "VIS" / "s11" / "micro" / "negative" / "s11_ne_01", "image{:05d}.bmp")
    right = film(tmp_path / "SMIC_all_raw" / "HS" / "s11" / "micro" / "negative" / "s11_ne_01", "image{:06d}.bmp")
    film(tmp_path / "SMIC-E_raw image" / "HS_long" / "s11" / "s11_ne_01", "image{:06d}.jpg", range(1, 90))
    (clip,) = look(tmp_path).clips
    assert clip.onset.frame == right / "image000020.bmp"


def test_broken_clips_are_told_or_dropped(tmp_path: Path):
    film(tmp_path / "s1_ne_01", numbers=range(1, 2))
    film(tmp_path / "s1_ne_02", numbers=range(1, 500))
    film(tmp_path / "s1_ne_03", numbers=range(0))
    film(tmp_path / "s1_po_01")
    first = tmp_path / "s1_po_01" / "reg_image000020.bmp"
    first.write_bytes(b"")
    film(tmp_path / "s1_po_02")
    found = look(tmp_path, skip_broken=True)
    assert [clip.annotation.clip for clip in found.clips] == ["s01_po_02"]
    assert {row.clip: row.reason for row in found.dropped} == {
        "s01_ne_01": "a clip needs two pictures",
        "s01_ne_02": "499 pictures are no clip of SMIC-HS: for SMIC-E choose --config e_hs",
        "s01_ne_03": f"{tmp_path / 's1_ne_03'}: the folder is empty",
        "s01_po_01": f"{first}: not a picture that OpenCV can read (it is empty); copy it again",
    }
    assert len(look(tmp_path).problems) == 2


def test_a_table_of_smic_hs_is_refused(tmp_path: Path):
    film(tmp_path / "s1_ne_01")
    (problem,) = look(tmp_path, table=tmp_path / "smic.xlsx").problems
    assert "SMIC-HS has no table; leave --table out, or choose --config e_hs" in problem


def test_later_intervals_are_the_clips_that_follow_if_these_have_no_row(tmp_path: Path):
    table(
        tmp_path / "SMIC-HS-E_annotation.xlsx",
        [4, "s4_ne_04", None, 100, 110, 120, 130, 140, 150, "negative"],
        [4, "s4_ne_07", None, 300, 310, 320, 330, 200, 210, "Negative"],
        [4, "s4_ne_08", None, 400, 410, 420, 430, None, None, "negative"],
        [4, "s4_ne_09", None, "=D5+1", 460, None, None, None, None, "negative"],
        [4, "s4_ne_10", None, 500, 510, 520, 530, 540, None, "negative"],
        [5, "s4_po_01", None, 700, 710, None, None, None, None, "negative"],
        ["Remark: frames at 100 fps"],
    )
    for name in ("s4_ne_04", "s4_ne_07", "s4_ne_08", "s4_ne_10", "s4_po_01"):
        film(tmp_path / "HS_long" / "SMIC-HS-E" / "s04" / name, "image{:06d}.jpg", range(90, 720, 5))
    found = look(tmp_path, "e_hs")
    clips = {clip.annotation.clip: (clip.onset.number, clip.offset) for clip in found.clips}
    assert clips == {
        "s04_ne_04": (100, 110), "s04_ne_05": (120, 130), "s04_ne_06": (140, 150), "s04_ne_07": (300, 310),
        "s04_ne_08": (400, 410), "s04_ne_10": (500, 510), "s04_po_01": (700, 710),
    }  # fmt: skip
    assert [row.reason for row in found.dropped] == [
        "onset is the formula '=D5+1' without its value: save the table again in a spreadsheet program",
        "Subject is 'Remark: frames at 100 fps', not as SMIC-E HS writes it",
        "the interval 320 to 330 is no clip of SMIC-HS: s04_ne_08 has a row of its own",
        "Onset3F 200 lies before OnsetF 300",
        "the interval 420 to 430 is no clip of SMIC-HS: s04_ne_09 has a row of its own",
        "the interval 520 to 530 is no clip of SMIC-HS: there is no s04_ne_11",
        "Onset3F or Offset3F is empty",
    ]
    assert len(found.problems) == 1
    assert "row 7: the clip s04_po_01 is not of the subject s05" in found.problems[0]


def test_a_list_of_spotted_apexes_may_be_the_table(tmp_path: Path):
    lines = [["subject", "clip", "label", "onset_frame", "apex_frame", "offset_frame"]]
    lines += [["4", "s4_ne_04", "0", "100", "104", "110"], ["4", "s4_ne_05", "0", "120", "131", ""]]
    (tmp_path / "smic_apex.csv").write_text("\n".join(map(",".join, lines)))
    host = film(tmp_path / "SMIC_HS_E" / "s04" / "s4_ne_04", "image{:06d}.jpg", range(90, 160))
    film(tmp_path / "SMIC_HS_E" / "s04" / "s4_ne_06", "image{:06d}.jpg", range(900, 960))
    found = look(tmp_path, "e_hs")
    assert found.problems == ()
    assert [(clip.annotation.clip, clip.onset.frame.parent, clip.apex_kind) for clip in found.clips] == [
        ("s04_ne_04", host, "spotted"),
        ("s04_ne_05", host, "spotted"),
    ]


def test_a_subject_that_is_missing_is_told_once(tmp_path: Path):
    rows = [[9, f"s9_po_{number:02d}", None, 10, 20] for number in range(1, 4)]
    table(tmp_path / "t.xlsx", *rows, [1, "s1_ne_01", None, 22, 28])
    film(tmp_path / "s1_ne_01", "image{:06d}.jpg")
    (problem,) = look(tmp_path, "e_hs").problems
    assert "clips s09_po_01, s09_po_02, s09_po_03: folder SMIC-HS-E/s09 is missing" in problem


@pytest.mark.slow
def test_the_table_of_a_slower_camera_is_refused(tmp_path: Path):
    path = table(tmp_path / "SMIC-VIS-E_annotation.xlsx", [1, "s1_ne_01", None, 10, 14])
    film(tmp_path / "s1_ne_01")
    (problem,) = look(tmp_path, "e_hs").problems
    assert problem.startswith(f"{path}: the table of a camera of 25 frames a second")


@needs_real_tables
def test_the_real_table_gives_161_of_the_164_clips():
    path = REAL / "SMIC-HS-E_annotation.xlsx"
    (read,) = layout_of("smic").read(Tree(REAL), "e_hs", path)
    assert len(read.annotations) == 161
    found = compare([(ClipName("smic", row.subject, row.clip), str(row.emotion)) for row in read.annotations])
    assert found.missing == ("smic s01_ne_02", "smic s02_sur_05", "smic s03_ne_20")
    assert found.extra == ()
    assert len(read.dropped) == 11
