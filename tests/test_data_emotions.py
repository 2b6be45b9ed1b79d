"""Emotions as words of three classes, as numbers, in other languages; and the protocols made of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openpyxl import Workbook

from data.annotations import read_table
from data.casme2.layout import COLUMNS as CASME2
from data.dataset import Dataset, with_classes
from data.dfme.layout import CHALLENGE
from data.emotion_numbers import parse_numbers, with_emotions
from data.labels import EMOTIONS, class_names, emotion_name
from data.prepare import main
from fedpsyau_jax.types import Examples

HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU"]


def table(folder: Path, emotions: list[Any], heading: str = "Emotion") -> Path:
    book = Workbook()
    book.worksheets[0].append([*HEADER, heading])
    for place, emotion in enumerate(emotions, 1):
        book.worksheets[0].append([place, "EP01_1", 10, 15, 20, "4", emotion])
    book.save(folder / "CASME2-coding.xlsx")
    return folder / "CASME2-coding.xlsx"


def read(
    folder: Path, emotions: list[Any], told: list[str] | None = None, heading: str = "Emotion"
) -> list[str | None]:
    found = with_emotions(read_table(table(folder, emotions, heading), CASME2), parse_numbers(told) if told else None)
    assert found.problems == ()
    return [row.emotion for row in found.annotations]


def test_words_of_three_classes_are_emotions(tmp_path: Path):
    words = ["negative", "Positive", "surprise", "NEG", "其他", "?"]
    assert read(tmp_path, words) == ["negative", "positive", "surprise", "negative", "others", None]


@pytest.mark.parametrize("heading", ["Emotion", "label", "Emotion Id", "class"])
def test_0_to_2_are_those_of_megc(heading: str, tmp_path: Path):
    assert read(tmp_path, [0, "1", 2.0, None], heading=heading) == ["negative", "positive", "surprise", None]


def test_other_numbers_mean_what_the_user_says(tmp_path: Path):
    told = ["1=anger", "2=Happy", "3=others", "4=?"]
    assert read(tmp_path, [1, 2, 3, 4], told) == ["anger", "happiness", "others", None]
    assert read(tmp_path, [0, 1], ["0=surprise", "1=negative"]) == ["surprise", "negative"]


def test_numbers_that_may_mean_anything_are_a_problem_with_what_to_do(tmp_path: Path):
    path = table(tmp_path, [1, 2, 3, "fear"])
    (problem,) = with_emotions(read_table(path, CASME2), None).problems
    assert problem == (
        f"{path}: the column emotion holds numbers, of which 1, 2, 3 may mean anything; "
        "say what they mean with --emotions 1=... 2=... 3=..."
    )
    (problem,) = with_emotions(read_table(path, CASME2), {1: "anger", 2: "fear"}).problems
    assert "of which 3 may mean anything" in problem


def test_dfme_numbers_its_emotions_by_the_alphabet(tmp_path: Path):
    path = tmp_path / "DFME_train.csv"
    header = "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,EmotionId,Fps,AU"
    rows = [f"sub0001,sub0001_{place:02d},1,5,9,{place},500,4" for place in range(7)]
    path.write_text("\n".join([header, *rows]))
    found = with_emotions(read_table(path, CHALLENGE), None)
    assert [row.emotion for row in found.annotations] == list(class_names(7))
    assert found.remarks[-1].startswith("emotion numbers are read as 0 = anger, 1 = contempt")


@pytest.mark.parametrize(
    ("word", "told"),
    [("negative", "write number=emotion"), ("x=fear", "write number=emotion"), ("1=boredom", "'boredom' is none of")],
)
def test_what_the_user_says_is_checked(word: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table(tmp_path, [1, 2, 3])
    assert main(["casme2", "--manual-dir", str(tmp_path), "--dry-run", "--emotions", word]) == 2
    message = capsys.readouterr().err
    assert f"--emotions {word}: " in message
    assert told in message


@pytest.mark.parametrize(
    ("word", "name"),
    [("厌恶", "disgust"), ("\uff26\uff45\uff41\uff52", "fear"), ("suprise", "surprise"), ("未知", None)],
)
def test_emotions_are_known_in_other_spellings(word: str, name: str | None):
    assert emotion_name(word) == name


def dataset(name: str) -> Dataset:
    """A sample of each emotion."""
    count = len(EMOTIONS)
    numbers = {"emotion": np.arange(count)}
    examples = Examples(**{field: numbers.get(field, np.zeros((count, 1))) for field in Examples._fields})
    clips = np.array([f"{place:02d}" for place in range(count)])
    return Dataset(name, examples, clips, clips, EMOTIONS, (), False, "", {"dropped": []})


@pytest.mark.parametrize(
    ("name", "classes", "counts"),
    [
        ("casme3/part_a/1.0.0", 3, {"negative": 7, "positive": 2, "surprise": 1}),
        ("casme3/part_a/1.0.0", 4, {"negative": 7, "positive": 2, "surprise": 1, "others": 1}),
        ("casme3/part_a/1.0.0", 7, dict.fromkeys(class_names(7, "casme3"), 1)),
        ("casme2/all/1.0.0", 7, dict.fromkeys(class_names(7), 1)),
    ],
)
def test_protocols_keep_their_classes(name: str, classes: int, counts: dict[str, int]):
    kept = with_classes(dataset(name), classes)
    assert kept.class_names == tuple(counts)
    assert np.bincount(kept.examples.emotion).tolist() == list(counts.values())
    assert len(kept.metadata["dropped"]) == len(EMOTIONS) - sum(counts.values())
