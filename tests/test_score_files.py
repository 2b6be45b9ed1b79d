"""Predictions as people write them: every form of the same rows gives the same table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.inputs.predictions.read import read_predictions
from experiments.inputs.predictions.values import ClipPredictions

CLASSES = ("negative", "positive", "surprise")
CLIPS = [
    *[("casme2", f"sub{person:02d}", f"EP{clip:02d}_01f") for person in (1, 7, 12) for clip in (1, 2, 3)],
    *[("samm", f"{person:03d}", f"{person:03d}_1_{clip}") for person in (6, 11) for clip in (1, 2, 3)],
    *[("smic", f"s{person:02d}", f"s{person:02d}_{kind}_01") for person in (1, 20) for kind in ("ne", "po", "sur")],
]
DRAW = np.random.default_rng(0)
TRUE, GUESSED = np.arange(len(CLIPS)) % 3, DRAW.integers(0, 3, len(CLIPS))
SURE = np.round(0.6 * np.eye(3)[GUESSED] + DRAW.dirichlet([9, 9, 9], len(CLIPS)) * 0.4, 6)
DATABASE, SUBJECT, CLIP = (pd.Series(part) for part in zip(*CLIPS, strict=True))
WORDS, SAID = (pd.Series(np.array(CLASSES)[numbers]) for numbers in (TRUE, GUESSED))
NAMED = {"clip": CLIP, "subject": SUBJECT, "dataset": DATABASE}


def csv(columns: dict[str, object], separator: str = ",", ends: str = "\n", header: bool = True) -> str:
    return pd.DataFrame(columns).to_csv(index=False, sep=separator, lineterminator=ends, header=header)


def log(under: str, line: str, after: str = "") -> str:
    rows = pd.DataFrame({**NAMED, "t": TRUE, "p": GUESSED, "T": WORDS, "P": SAID})
    blocks = [
        under.format(d=database, s=subject)
        + "".join(line.format(c=row["clip"], **row.drop(["clip", "subject", "dataset"])) for _, row in part.iterrows())
        for (database, subject), part in rows.groupby(["dataset", "subject"], sort=False)
    ]
    return after.join(blocks) + after


def columns_of(name: str) -> dict[str, object]:
    return {f"{name}{place}": SURE[:, place] for place in range(3)}


def by_class(heading: str) -> dict[str, object]:
    return {heading.format(name): SURE[:, place] for place, name in enumerate(CLASSES)}


WHOLE = DATABASE + "/" + SUBJECT + "/" + CLIP
TEXTS: dict[str, str] = {
    "numbers": csv({**NAMED, "label": TRUE, "pred": GUESSED}),
    "words, any case": csv({**NAMED, "Ground Truth": WORDS.str.title(), "Predicted Label": SAID.str.upper()}),
    "windows": csv({**NAMED, "y_true": TRUE, "y_pred": GUESSED}, ends="\r\n"),
    "tabs and a tag": csv({"video": DATABASE + "_" + SUBJECT + "_" + CLIP, "gt": WORDS, "prediction": SAID}, "\t"),
    "semicolons and paths": csv({"ID": "/data/" + WHOLE + "/apex.jpg", "target": TRUE, "output": GUESSED}, ";"),
    "floats": csv({"": range(len(CLIPS)), **NAMED, "y_true": TRUE.astype(float), "y_hat": GUESSED.astype(float)}),
    "label beside gt": csv({**NAMED, "gt": TRUE, "label": GUESSED}),
    "emotion beside label": csv({**NAMED, "emotion": WORDS.replace(CLASSES[0], ""), "label": TRUE, "pred": GUESSED}),
    "two of each": csv({**NAMED, "prediction": SAID, "pred_label": GUESSED, "label": TRUE, "true_id": TRUE}),
    "extra columns": csv({**NAMED, "label": TRUE, "pred": GUESSED, "hit": TRUE == GUESSED, "confidence": SURE.max(1)}),
    "probabilities": csv({**NAMED, "label": TRUE, **columns_of("p_")}),
    "logits": csv({**NAMED, "label": TRUE, **{name: np.log(v) for name, v in columns_of("logit ").items()}}),
    "named probabilities": csv({**NAMED, "label": TRUE, **by_class("prob_{}")}),
    "bare probabilities": csv({**NAMED, "truth": WORDS, **by_class("{}")}),
    "lists": csv({**NAMED, "label": TRUE, "probs": [str(row.tolist()) for row in SURE]}),
    "arrays": csv({**NAMED, "y": [f"tensor({t})" for t in TRUE], "o": [f"array([{a}, {b}, {c}])" for a, b, c in SURE]}),
    "pred per class": csv({**NAMED, "label": TRUE, **columns_of("pred_")}),
    "no header": csv({"d": DATABASE, "s": SUBJECT, "c": CLIP, "t": TRUE, "p": GUESSED}, header=False),
    "no header, a tag": csv({"c": DATABASE + " " + SUBJECT + " " + CLIP, "t": TRUE, "p": GUESSED}, header=False),
    "comment first": "# model X\n" + csv({**NAMED, "label": WORDS, "pred": SAID}),
    "aligned": pd.DataFrame({**NAMED, "label": WORDS, "pred": SAID}).to_string(index=False),
    "published log": log("{d} {s}\r\n", "{c} {t} {p}\r\n"),
    "log with names": log("=== Subject: {d} {s} ===\n", "{c}: gt={t}, pred={p}\n", "Accuracy: 0.5\n\n"),
    "log with folds": log("Fold 3: {d}_{s} (2 clips)\n", "{c} {t} {p} correct\n"),
    "log, other order": log("[{d}_{s}]\n", "clip: {c} pred: {p} true: {t}\n"),
    "log of words": "Start\n" + log("{d} {s}\n", "  {c}, {T} -> {P}\n", "UF1: 0.5 | UAR: 0.6\n"),
}  # fmt: skip


def read(tmp_path: Path, content: bytes, name: str = "of.csv", **meanings: str) -> ClipPredictions:
    (tmp_path / name).write_bytes(content)
    return read_predictions(tmp_path / name, {}, meanings)


def check(found: ClipPredictions) -> None:
    assert found.class_names == CLASSES
    keys = found.table[["database", "subject", "clip", "label", "predicted"]]
    assert list(keys.itertuples(index=False, name=None)) == [
        (*clip, CLASSES[true], CLASSES[guessed]) for clip, true, guessed in zip(CLIPS, TRUE, GUESSED, strict=True)
    ]
    np.testing.assert_array_equal(found.table[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(1), GUESSED)


@pytest.mark.parametrize("form", TEXTS)
def test_all_forms_say_the_same(tmp_path: Path, form: str) -> None:
    check(read(tmp_path, TEXTS[form].encode()))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    check(read(tmp_path, TEXTS["windows"].encode(encoding)))


def test_chinese_headings(tmp_path: Path) -> None:
    table = csv({"文件名": CLIP, "被试": SUBJECT, "数据集": DATABASE, "标签": TRUE, "预测": GUESSED})
    check(read(tmp_path, table.encode("gb18030")))


def test_a_workbook_whose_numbers_are_numbers(tmp_path: Path) -> None:
    people = [int(name) if name.isdigit() else name for name in SUBJECT]
    table = pd.DataFrame({"Clip Name": CLIP, "Subject": people, "Dataset": DATABASE, "Label": TRUE, "Pred": GUESSED})
    with pd.ExcelWriter(tmp_path / "of.xlsx") as workbook:
        pd.DataFrame({"notes": ["ours"]}).to_excel(workbook, sheet_name="about", index=False)
        table.to_excel(workbook, sheet_name="results", index=False, startrow=2)
    check(read_predictions(tmp_path / "of.xlsx", {}, {}))


def test_headings_that_nobody_knows_are_named_by_the_user(tmp_path: Path) -> None:
    (tmp_path / "of.csv").write_text(csv({**NAMED, "A": WORDS, "B": SAID}))
    check(read_predictions(tmp_path / "of.csv", {"truth": "A", "prediction": "B"}, {}))


def test_numbers_mean_what_the_user_says(tmp_path: Path) -> None:
    found = read(tmp_path, TEXTS["numbers"].encode(), **{"0": "fear", "1": "happiness", "2": "others"})
    assert found.class_names == ("fear", "happiness", "others")


def test_numbers_that_are_not_those_of_megc_stay_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, csv({"label": TRUE + 1, "pred": GUESSED + 1}).encode()).class_names == ("1", "2", "3")


def test_folds_are_the_subjects_of_a_leave_one_subject_out(tmp_path: Path) -> None:
    people = [f"p{row // 2}" for row in range(30)]
    found = read(tmp_path, csv({"fold": people, "true": [0, 1] * 15, "pred": [0, 0] * 15}).encode())
    assert found.table["subject"].tolist() == people
    assert not found.cautions
    (few,) = read(tmp_path, csv({"fold": [0, 1] * 15, "true": [0, 1] * 15, "pred": [0, 0] * 15}).encode()).cautions
    assert few.startswith("the file names no subjects, so there are no intervals")


def test_repeats_and_methods_are_kept_apart(tmp_path: Path) -> None:
    one = pd.DataFrame({**NAMED, "label": TRUE, "pred": GUESSED})
    both = pd.concat([one.assign(model=model, seed=seed) for model in "AB" for seed in (0, 1)])
    table = read(tmp_path, both.to_csv(index=False).encode()).table
    assert table.groupby(["algorithm", "repeat"]).size().to_dict() == dict.fromkeys(
        [("A", "0"), ("A", "1"), ("B", "0"), ("B", "1")], len(CLIPS)
    )


def test_runs_without_a_common_clip_are_folds_but_seeds_are_repeats(tmp_path: Path) -> None:
    found = read(tmp_path, csv({"run": DATABASE + SUBJECT, **NAMED, "label": TRUE, "pred": GUESSED}).encode())
    check(found)
    assert found.table["repeat"].nunique() == 1
    assert "no clip has two values of 'run', so they are taken for folds and pooled" in found.remarks
    kept = read(tmp_path, csv({"seed": DATABASE + SUBJECT, **NAMED, "label": TRUE, "pred": GUESSED}).encode())
    assert kept.table["repeat"].nunique() == SUBJECT.nunique()


TWO = "clip,label,pred\na,1,1\nb,0,0\n"
MISTAKES: dict[str, tuple[str, str]] = {
    "no prediction": ("clip,label\na,1\nb,2\n", "row 1: the headings 'clip', 'label' name no prediction"),
    "no truth": ("clip,pred\na,1\nb,2\n", "row 1: the headings 'clip', 'pred' name no truth"),
    "an empty truth": (TWO + "c,,2\n", "row 4: no truth; fill it in, or delete the row"),
    "an empty prediction": (TWO + "c,2,\n", "row 4: no prediction"),
    "a fraction": (TWO + "c,1,0.73\n", "row 4: the prediction is 0.73, which is no class"),
    "twice": (TWO + "a,1,0\n", "row 4: clip a was predicted in row 2 already; say in a column `repeat`"),
    "words and numbers": (
        "clip,label,pred\na,fear,1\nb,anger,0\n",
        "some classes are numbers \\(0, 1\\) and others are",
    ),
    "nothing below": ("clip,label,pred\n", "nothing is below its header"),
    "nothing": ("", "no predictions are found in it; write a table with headings"),
    "prose": ("hello world this is\nsome text about nothing.\n", "no predictions are found in it"),
    "more cells": ("clip,label,pred\na,1,1,9\n", "row 2: it has more cells than the header"),
    "no number": ("clip,label,p_0,p_1\na,1,.1,.9\nb,0,.5,nan\n", "row 3: 'p_1' is 'nan', no number"),
    "another class": ("clip,label,p_x,p_y\na,x,.1,.9\nb,z,.5,.5\n", "row 3: class z has no column of probabilities"),
    "another truth": ("seed,clip,label,pred\n0,a,1,1\n1,a,0,1\n", "row 3: the truth of clip a is 0, but 1 in row 2"),
    "a strange line": ("s1\nEP1 0 1\nEP2 1 1\n? what is this\nEP3 0 1\n", "row 4: '\\? what is this' is neither clip"),
    "JSON": ('{"a": [1, 2]}', "JSON; write a table"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_a_sentence_with_their_row(tmp_path: Path, mistake: str) -> None:
    content, sentence = MISTAKES[mistake]
    with pytest.raises(ValueError, match=sentence) as told:
        read(tmp_path, content.encode())
    assert str(told.value).startswith(str(tmp_path / "of.csv"))


@pytest.mark.parametrize("content", [lambda: DRAW.bytes(3000), lambda: b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_text_is_refused(tmp_path: Path, content: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError, match=r"of\.csv"):
        read(tmp_path, content())
