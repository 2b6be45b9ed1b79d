"""Part C of CAS(ME)^3, and label files of other encodings, against synthetic copies whose truth is known."""

import shutil
from pathlib import Path

import pytest
from test_data_layouts import blank_copy, key_of, surveyed, truth_of

from data.apex import midpoint, spot
from data.labels import emotion_name


@pytest.mark.parametrize("policy", [midpoint, spot])
def test_casme3_part_c_marks_no_apex(policy, tmp_path: Path):
    truth = blank_copy("casme3-c", tmp_path / "copy")
    (problem,) = surveyed("casme3-c", truth.root).problems
    assert problem.endswith("(no apex is annotated; --apex midpoint or spot finds one)")
    found = surveyed("casme3-c", truth.root, apex=policy)
    assert (found.problems, found.dropped) == ((), ())
    rows = truth_of(truth)
    assert {key_of(clip) for clip in found.clips} == rows.keys()
    for clip in found.clips:
        row = rows[key_of(clip)]
        units = clip.annotation.action_units
        assert (clip.onset.frame, clip.offset) == (row.onset_file, row.offset)
        assert (units and units.sides) == (row.action_units and dict(row.action_units))
        assert clip.annotation.emotion == emotion_name(row.emotion)


@pytest.mark.parametrize(
    "form",
    ["{s:02d}/{c}/color", "{s:02d}/color/{s:02d}_{c}", "ME_C/{s:02d}/color/{s}_{c}", "part_C/sub{s}/{c}",
     "part_C/part_C/{s:02d}/{c}/color", "Part_C_ME_clip/frame/{s:02d}_{c}_{o}"],
)  # fmt: skip
def test_clips_of_casme3_part_c_are_found_however_they_were_cut(form: str, tmp_path: Path):
    truth = blank_copy("casme3-c", tmp_path / "copy", num_subjects=2)
    for row in truth.rows:
        subject, count = int(row.subject), int(row.filename)
        folder = truth.root / form.format(s=subject, c=count, o=row.onset)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(row.onset, row.offset + 1):
            picture = row.onset_file.with_name(f"{number}.jpg")
            if picture.exists():
                picture.rename(folder / picture.name)
    shutil.rmtree(truth.rows[0].onset_file.parent.parent)
    shutil.rmtree(truth.rows[-1].onset_file.parent.parent)
    found = surveyed("casme3-c", truth.root, apex=midpoint, detects=True)
    assert (found.problems, len(found.clips)) == ((), len(truth.rows))


@pytest.mark.parametrize(
    ("name", "pattern"), [("disfa", "*_au*.txt"), ("ckplus", "*_facs.txt"), ("ckplus", "*_emotion.txt")]
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_label_files_are_read_in_the_encodings_of_editors(name: str, pattern: str, encoding: str, tmp_path: Path):
    truth = blank_copy(name, tmp_path / "copy", num_subjects=1)
    before = surveyed(name, truth.root)
    for path in truth.root.rglob(pattern):
        text = path.read_text()
        path.write_text("".join(line.replace(",", " ; ") for line in text.splitlines(keepends=True)), encoding=encoding)
    found = surveyed(name, truth.root)
    assert found.problems == found.dropped == ()
    assert [clip.annotation for clip in found.clips] == [clip.annotation for clip in before.clips]
