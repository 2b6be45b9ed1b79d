"""MMEW: frames that count within the clip or within the recording, folders by emotion or by subject."""

from pathlib import Path

import pytest
from test_data_layouts import blank_copy, surveyed
from test_data_smic import film

from data.databases import layout_of
from data.labels import SEVEN_WITH_OTHERS, class_names
from data.survey import Choices, Survey, survey
from data.whose_table import database_of
from fedpsyau_jax.synthesis.layouts.tables import write_csv

HEADER = [
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
    "remarks",
]


def copy_of(root: Path, *rows: list[object]) -> Survey:
    write_csv(root / "MMEW_Micro_Exp.csv", [HEADER, *rows])
    return survey(layout_of("mmew"), root, "all", Choices(detects=True))


@pytest.mark.parametrize(
    ("frames", "numbers", "files", "noted"),
    [
        ((1, 5, 10), range(1, 11), (1, 5), False),
        ((3, 5, 9), range(1, 11), (3, 5), False),
        ((701, 705, 710), range(1, 11), (1, 5), True),
        ((701, 705, 710), range(701, 711), (701, 705), False),
        ((4, 8, 13), range(1, 11), (1, 5), True),
        ((0, 4, 9), range(1, 11), (1, 5), True),
        ((1, 5, 11), range(1, 11), (1, 5), False),
    ],
)
def test_frames_count_within_the_clip_or_within_the_recording(frames, numbers, files, noted: bool, tmp_path: Path):
    film(tmp_path / "Micro_Expression" / "fear" / "S03-04-001", "{}.jpg", numbers)
    found = copy_of(tmp_path, ["S03", "S03-04-001", *frames, "4+7", "fear", ""])
    (clip,) = found.clips
    assert clip.apex is not None
    assert [picture.frame.name for picture in (clip.onset, clip.apex)] == [f"{number}.jpg" for number in files]
    assert any("the first is the onset" in note for note in clip.notes) == noted


def test_a_clip_of_another_length_is_not_renumbered(tmp_path: Path):
    film(tmp_path / "Micro_Expression" / "fear" / "S03-04-001", "{}.jpg", range(1, 40))
    found = copy_of(tmp_path, ["S03", "S03-04-001", 701, 705, 710, "4+7", "fear", ""])
    assert found.dropped[0].reason == "the picture of the onset (frame 701) is missing, and every one near it"


@pytest.mark.parametrize(
    "form",
    ["Micro_Expression/fear/S03-04-001", "S03/fear/S03-04-001", "Final/MMEW_Final/Micro_Expression/Fear/s03-04-001",
     "micro expression/S03/fear/S03-04-001/S03-04-001", "S03-04-001"],
)  # fmt: skip
def test_clips_are_found_in_every_form_and_no_macro_expression_is(form: str, tmp_path: Path):
    film(tmp_path / "Macro_Expression" / "fear" / "S03-04-001", "{}.jpg", range(1, 30))
    film(tmp_path / form, "{}.JPG", range(1, 11))
    (clip,) = copy_of(tmp_path, [3, " s03-04-001 ", "1", "5", "10", "?", "Fear", ""]).clips
    assert clip.onset.frame.parent == tmp_path / form
    assert (clip.annotation.subject, clip.annotation.clip, clip.annotation.action_units) == ("S03", "S03-04-001", None)


@pytest.mark.slow
def test_macro_expressions_alone_are_no_clips(tmp_path: Path):
    film(tmp_path / "Macro_Expression" / "fear" / "S03-04-001", "{}.jpg", range(1, 30))
    (problem,) = copy_of(tmp_path, ["S03", "S03-04-001", 1, 5, 10, "4+7", "fear", ""]).problems
    assert "folder Micro_Expression/*/S03-04-001" in problem


def test_a_clip_of_another_subject_than_its_row_is_a_problem(tmp_path: Path):
    film(tmp_path / "S03-04-001", "{}.jpg", range(1, 11))
    (problem,) = copy_of(tmp_path, ["S04", "S03-04-001", 1, 5, 10, "4+7", "fear", ""]).problems
    assert "row 2: the clip S03-04-001 is not of the subject S04" in problem


def test_its_seven_classes_hold_others_and_no_contempt(tmp_path: Path):
    truth = blank_copy("mmew", tmp_path / "copy", num_subjects=3)
    told = {clip.annotation.emotion for clip in surveyed("mmew", truth.root).clips}
    assert "others" in told
    assert told <= set(class_names(7, "mmew"))
    assert class_names(7, "mmew") == SEVEN_WITH_OTHERS
    assert database_of(truth.tables[0]) == "mmew"
