"""Every reader against synthetic copies whose truth is known; the pictures are blank, as nothing looks at them."""

import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.apex import midpoint, spot
from data.building import builder_of
from data.clips import Clip, pictures_of
from data.databases import layout_of
from data.frames import Frame, VideoFrame
from data.labels import emotion_name
from data.survey import Choices, Survey, survey
from fedpsyau_jax.synthesis.filming import FRAME_SIZE
from fedpsyau_jax.synthesis.layouts import LAYOUTS, Row, Truth
from fedpsyau_jax.synthesis.layouts.copy import annotate, plan
from fedpsyau_jax.synthesis.population import Population

CONFIGS = {
    "dfme-challenge": "challenge", "casme3": "part_a", "casme3-long": "part_a", "casme3-c": "part_c", "smic": "hs",
    "smic-raw": "hs", "smic-e": "e_hs",
}  # fmt: skip
WITHOUT_APEX = ("casme3-c", "smic", "smic-raw", "smic-e")
TABULAR = [name for name in LAYOUTS if name not in ("disfa", "ckplus", *WITHOUT_APEX)]
REASONS = {"onset is apex": "onset and apex are the same frame", "no apex": "no apex is annotated"}
POINTS = "".join(f"{20 + place} {30 + place % 7}\n" for place in range(68))


def blank_copy(name: str, folder: Path, num_subjects: int = 6, seed: int = 0, landmarks: bool = True) -> Truth:
    """All folders, tables and landmark files of a copy with its oddities; pictures are grey."""
    layout = LAYOUTS[name]
    population = Population(num_subjects, min_clips=2, extra_clips=0.0, emotional=layout.emotional, seed=seed)
    entries = plan(layout, population, quirks=True, faceless=False)
    folder.mkdir()
    truth = annotate(layout, folder, entries, seed, landmarks=True)
    files = {folder / entry.frame_file(n): n for entry in entries for n in entry.frames}
    for path, last in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".avi":
            write_video(path, last)
        else:
            path.write_bytes(cv2.imencode(path.suffix, np.full((8, 8), 128, np.uint8))[1].tobytes())
    points = [folder / layout.landmark_file(entry, n) for entry in entries for n in entry.frames if landmarks]
    for path in points:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(POINTS)
    return truth


def write_video(path: Path, num_frames: int) -> None:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (FRAME_SIZE, FRAME_SIZE))
    for number in range(num_frames):
        video.write(np.full((FRAME_SIZE, FRAME_SIZE, 3), number % 250, np.uint8))
    video.release()


def surveyed(name: str, folder: Path, **choices: Any) -> Survey:
    return survey(layout_of(name.split("-")[0]), folder, CONFIGS.get(name, "all"), Choices(**choices))


def truth_of(truth: Truth) -> dict[tuple[int, str, str], Row]:
    return {(row.row, row.subject.lower(), row.filename.strip().lower()): row for row in truth.rows}


def key_of(clip: Clip) -> tuple[int, str, str]:
    return clip.annotation.row, clip.annotation.subject.lower(), clip.annotation.filename.lower()


def file_of(frame: Frame) -> Path:
    return frame.video if isinstance(frame, VideoFrame) else frame


@pytest.mark.parametrize("name", TABULAR)
def test_every_row_ends_as_the_truth_says(name: str, tmp_path: Path):
    truth = blank_copy(name, tmp_path / "copy")
    found = surveyed(name, truth.root)
    assert found.problems == ()
    rows = truth_of(truth)
    assert {key_of(clip) for clip in found.clips} == {key for key, row in rows.items() if row.problem is None}
    assert len(found.dropped) == len(truth.dropped) > 0
    for dropped in found.dropped:
        (problem,) = {row.problem for row in truth.dropped if row.row == dropped.row}
        assert dropped.reason == REASONS[problem or ""]
    for clip in found.clips:
        check_clip(clip, rows[key_of(clip)])


def check_clip(clip: Clip, row: Row) -> None:
    annotation = clip.annotation
    assert clip.apex is not None
    assert (clip.onset.frame, clip.apex.frame, clip.offset) == (row.onset_file, row.apex_file, row.offset)
    assert (annotation.emotion, annotation.fps) == (emotion_name(row.emotion), row.fps)
    assert any("is missing" in note for note in clip.notes) == row.nearest
    if row.action_units is None:
        assert annotation.action_units is None
    else:
        assert annotation.action_units is not None
        sides = dict(row.action_units) if row.table else dict.fromkeys(row.action_units, "")
        assert annotation.action_units.sides == sides
        assert annotation.action_units.ambiguous == row.ambiguous
        assert not row.table or annotation.action_units.uncertain == set(row.uncertain)
    if not row.nearest:
        assert clip.landmarks == row.landmarks


def test_a_recording_shared_out_to_spellings_of_a_folder_is_found(tmp_path: Path):
    truth = blank_copy("casme3-long", tmp_path / "copy", num_subjects=2)
    assert {path.name for path in (truth.root / "part_A").glob("*.1")} == {"spNO.1", "spNo.1"}
    found = surveyed("casme3-long", truth.root)
    assert len(found.clips) == len(truth.samples)


@pytest.mark.parametrize("seed", [1, 2])
def test_all_versions_of_the_casme2_table_are_read(seed: int, tmp_path: Path):
    truth = blank_copy("casme2", tmp_path / "copy", seed=seed)
    assert len(surveyed("casme2", truth.root).clips) == len(truth.samples)


@pytest.mark.slow
def test_subsets_of_dfme_share_out_its_rows(tmp_path: Path):
    truth = blank_copy("dfme", tmp_path / "copy")
    groups = {}
    for config in ("A", "B", "C"):
        found = survey(layout_of("dfme"), truth.root, config, Choices())
        groups |= {clip.annotation.clip: config for clip in found.clips}
        assert found.problems == ()
    assert groups == {row.filename.strip(): row.group for row in truth.samples}
    everything = surveyed("dfme", truth.root).clips
    make = builder_of("dfme", "all", tmp_path / "tfds")
    assert {clip.annotation.clip: make().site_of(clip.annotation) for clip in everything} == groups


@pytest.mark.parametrize(("database", "config"), [("casme3", "part_a"), ("casme3", "part_c"), ("samm", "all")])
def test_a_part_is_a_site_and_a_database_without_parts_is_one(database: str, config: str, tmp_path: Path):
    site = builder_of(database, config, tmp_path)().site_of(None)  # type: ignore[arg-type]
    assert site == {"casme3": config}.get(database, database)


def test_ckplus_sequences_run_from_neutral_to_peak(tmp_path: Path):
    truth = blank_copy("ckplus", tmp_path / "copy")
    found = surveyed("ckplus", truth.root)
    rows = {(row.subject, row.filename): row for row in truth.rows}
    assert (len(found.clips), found.dropped, found.problems) == (len(rows), (), ())
    for clip in found.clips:
        check_clip(clip, rows[clip.annotation.subject, clip.annotation.filename])
    assert any(clip.annotation.emotion is None for clip in found.clips)


def test_disfa_events_become_pairs(tmp_path: Path):
    truth = blank_copy("disfa", tmp_path / "copy")
    found = surveyed("disfa", truth.root)
    assert found.problems == found.dropped == ()
    pairs = {(clip.annotation.subject, clip.annotation.apex): clip for clip in found.clips}
    shown = {(row.subject, row.apex): row for row in truth.rows if row.action_units}
    assert pairs.keys() == shown.keys()
    for key, row in shown.items():
        clip = pairs[key]
        assert clip.apex is not None
        assert row.onset <= clip.onset.number < clip.apex.number
        assert clip.annotation.action_units is not None
        assert clip.annotation.action_units.sides == dict(row.action_units or {})
        assert clip.apex.frame == VideoFrame(file_of(row.apex_file or Path()), row.true_apex)


def test_an_au_without_label_file_is_uncertain(tmp_path: Path):
    truth = blank_copy("disfa", tmp_path / "copy", num_subjects=1)
    next(truth.root.rglob("*_au17.txt")).unlink()
    for clip in surveyed("disfa", truth.root).clips:
        assert clip.annotation.action_units is not None
        assert clip.annotation.action_units.uncertain == {17}


@pytest.mark.parametrize(("policy", "kind"), [(midpoint, "midpoint"), (spot, "spotted")])
def test_rows_without_an_apex_can_be_kept(policy, kind: str, tmp_path: Path):
    truth = blank_copy("casme2", tmp_path / "copy")
    found = surveyed("casme2", truth.root, apex=policy)
    assert (len(found.clips), found.dropped) == (len(truth.rows), ())
    mended = [clip for clip in found.clips if clip.apex_kind == kind]
    rows = truth_of(truth)
    assert {rows[key_of(clip)].problem for clip in mended} == {"no apex", "onset is apex"}
    for clip in mended:
        row = rows[key_of(clip)]
        if kind == "midpoint":
            assert clip.apex is not None
            assert clip.apex.number == -((row.onset + row.offset) // -2)
        else:
            assert clip.apex is None
            assert [picture.number for picture in pictures_of(clip)] == list(range(row.onset, row.offset + 1))


def test_all_problems_are_told_at_once_or_their_rows_dropped(tmp_path: Path):
    truth = blank_copy("samm", tmp_path / "copy")
    first, second, third, *_ = [row for row in truth.samples if not row.nearest]
    first.onset_file.write_bytes(first.onset_file.read_bytes()[:-50])
    for path in list(second.onset_file.parent.iterdir()):
        path.unlink()
    assert third.landmarks is not None
    third.landmarks.write_text("1 2\n")
    found = surveyed("samm", truth.root)
    assert len(found.problems) == 3
    for row, told in [
        (first, f"{first.onset_file}: the picture is truncated"),
        (second, "the folder is empty"),
        (third, f"{third.landmarks}: a landmark file must hold 68"),
    ]:
        (problem,) = [problem for problem in found.problems if f"row {row.row}, clip {row.filename}: " in problem]
        assert str(row.table) in problem
        assert told in problem
    kept = surveyed("samm", truth.root, skip_broken=True)
    assert kept.problems == ()
    assert len(kept.clips) == len(found.clips) == len(truth.samples) - 3


def test_a_copy_without_landmarks_needs_a_detector(tmp_path: Path):
    truth = blank_copy("samm", tmp_path / "copy", num_subjects=1, landmarks=False)
    (problem,) = surveyed("samm", truth.root).problems
    assert "pip install 'fedpsyau-jax[faces]'" in problem
    assert surveyed("samm", truth.root, detects=True).problems == ()
    mirrored = tmp_path / "points" / truth.samples[0].onset_file.relative_to(truth.root).parent
    mirrored.mkdir(parents=True)
    (mirrored / truth.samples[0].onset_file.with_suffix(".txt").name).write_text(POINTS)
    found = surveyed("samm", truth.root, detects=True, landmarks=tmp_path / "points")
    given = [clip for clip in found.clips if clip.landmarks]
    assert [clip.annotation.clip for clip in given] == [truth.samples[0].filename]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["casme3", *(pytest.param(name, marks=pytest.mark.slow) for name in ("casme2", "samm", "dfme-challenge"))]
)
def test_the_table_of_another_database_is_refused(name: str, tmp_path: Path):
    truth = blank_copy("dfme" if name != "dfme-challenge" else "samm", tmp_path / "copy", num_subjects=1)
    (problem,) = surveyed(name, truth.root).problems
    assert "the table of another database?" in problem or "is this the table or sheet of another" in problem
    assert str(truth.tables[0]) in problem
    assert "expected: " in problem


@pytest.mark.slow
def test_folders_that_hold_no_copy_say_what_they_should_hold(tmp_path: Path):
    find = partial(surveyed, "casme2")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "readme.md").touch()
    assert "is no folder; put your copy of CASME II there" in find(tmp_path / "absent").problems[0]
    assert "empty: is empty" in find(tmp_path / "empty").problems[0]
    assert "no annotation table of CASME II" in find(tmp_path / "other").problems[0]
    truth = blank_copy("casme2", tmp_path / "copy", num_subjects=1)
    truth.root.joinpath("sub01").rename(truth.root / "elsewhere")
    (problem,) = find(truth.root).problems
    assert "none of" in problem
    assert "folder sub01/EP" in problem


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_pictures(tmp_path: Path):
    truth = blank_copy("dfme-challenge", tmp_path / "copy", num_subjects=20)

    def peak() -> int:
        tracemalloc.start()
        assert surveyed("dfme-challenge", truth.root).problems == ()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak()  # what is imported and cached once does not count
    few = peak()
    clips = {row.onset_file.parent for row in truth.rows}
    for folder in clips:
        picture = next(folder.iterdir())
        for number in range(10000, 10200):
            (folder / f"{number}.png").hardlink_to(picture)
    assert peak() - few < 200 * 100 * len(clips)


@pytest.mark.slow
def test_of_two_tables_one_must_be_named(tmp_path: Path):
    truth = blank_copy("casme2", tmp_path / "copy", num_subjects=1)
    (table,) = truth.tables
    other = table.with_name("CASME2-coding-older.xlsx")
    other.write_bytes(table.read_bytes())
    (problem,) = surveyed("casme2", truth.root).problems
    assert "2 tables fit" in problem
    assert surveyed("casme2", truth.root, table=other).problems == ()
