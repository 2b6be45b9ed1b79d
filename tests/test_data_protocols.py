import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_data_layouts import blank_copy, surveyed

from data.annotations import read_table
from data.apex import midpoint
from data.casme2.layout import COLUMNS as CASME2
from data.dataset import Dataset
from data.known_clips import COUNTS, clips_of, compare, guessed_database
from data.labels import EMOTIONS, THREE, LeftOut
from data.protocols import COMPOSITE2019, ClipName, clip_name, composite2019, with_composite2019
from data.samm.layout import COLUMNS as SAMM
from fedpsyau_jax.types import Examples

REAL = Path(__file__).parents[1].parent / "shared" / "annotations"
needs_real_tables = pytest.mark.skipif(not REAL.is_dir(), reason="no real annotation tables here")


def published() -> list[tuple[ClipName, str]]:
    with (REAL / "megc2019_composite_442.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return [(clip_name(row["data"], row["subject"], row["clip"]), THREE[int(row["label"])]) for row in rows]


def made_up() -> list[tuple[ClipName, str]]:
    """Clips as many of each class and subject as are known, under made-up names where names are not known."""
    kinds = dict(zip(THREE, ("ne", "po", "sur"), strict=True))
    spelt = {"smic": "{0}_{1}_{2:02d}", "casme2": "EP{2:02d}_{1}", "samm": "{0}_{3}_{2}"}
    return [
        (ClipName(database, subject, spelt[database].format(subject, kinds[label], number, THREE.index(label))), label)
        for database, subjects in COUNTS.items()
        for subject, counts in subjects.items()
        for label, count in counts.items()
        for number in range(1, count + 1)
    ]


def dataset(database: str, rows: list[tuple[str, str, str]]) -> Dataset:
    emotion = np.array([EMOTIONS.index(word) if word else -1 for _, _, word in rows])
    zeros = np.zeros((len(rows), 1))
    return Dataset(
        name=f"{database}/all/1.0.0",
        examples=Examples(**dict.fromkeys(Examples._fields, zeros) | {"emotion": emotion}),
        subject=np.array([subject for subject, _, _ in rows]),
        clip=np.array([clip for _, clip, _ in rows]),
        class_names=EMOTIONS,
        au_names=("AU1",),
        synthetic=True,
        fingerprint="",
        metadata={"dropped": []},
    )


def test_the_counts_are_those_of_the_composite():
    totals = {name: Counter[str]() for name in COMPOSITE2019}
    for name, subjects in COUNTS.items():
        for counts in subjects.values():
            totals[name].update(counts)
    assert {name: tuple(counts[label] for label in THREE) for name, counts in totals.items()} == {
        "smic": (70, 51, 43), "casme2": (88, 32, 25), "samm": (92, 26, 15),
    }  # fmt: skip
    assert {name: len(subjects) for name, subjects in COUNTS.items()} == {"smic": 16, "casme2": 24, "samm": 28}


@needs_real_tables
def test_the_rules_give_the_published_list_from_the_coding_tables():
    kept = []
    for database, columns, file in (("casme2", CASME2, "CASME2-coding.xlsx"), ("samm", SAMM, "SAMM-coding.xlsx")):
        for row in read_table(REAL / file, columns).annotations:
            verdict = composite2019(database, row.subject, row.clip, row.emotion)
            if isinstance(verdict, str):
                kept.append((clip_name(database, row.subject, row.clip), verdict))
    listed = published()
    assert Counter(kept) == Counter(row for row in listed if row[0].database != "smic")
    assert all(composite2019(*clip, None) == label for clip, label in listed if clip.database == "smic")
    assert compare(listed).told() == ""
    assert compare(kept).missing == ("all of smic",)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("casme2", {"disgust": 0, "repression": 0, "happiness": 1, "surprise": 2}),
        ("samm", {"anger": 0, "contempt": 0, "disgust": 0, "sadness": 0, "happiness": 1, "surprise": 2}),
        ("smic", {"negative": 0, "positive": 1, "surprise": 2}),
    ],
)
def test_the_rules_on_synthetic_copies(name: str, classes: dict[str, int], tmp_path: Path):
    truth = blank_copy(name, tmp_path / "copy")
    rows = [clip.annotation for clip in surveyed(name, truth.root, apex=midpoint).clips]
    verdicts = [composite2019(name, row.subject, row.clip, row.emotion) for row in rows]
    kept = Counter(verdict for verdict in verdicts if isinstance(verdict, str))
    shown = Counter(THREE[classes[row.emotion]] for row in truth.rows if row.emotion in classes)
    assert len(rows) == len(truth.rows)
    assert kept == shown
    assert (kept.total() < len(rows)) == (name != "smic")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("casme2", "04", "EP12_01f", "disgust"), "left out of composite2019, as its onset is its apex"),
        (("casme2", "sub05", "sub05_EP09_05F", "disgust"), "left out of composite2019, as its onset is its apex"),
        (("casme2", "sub09", "EP13_02", "fear"), "fear is no class of composite2019 in casme2"),
        (("samm", 25, "25_3_1", "Other"), "others is no class of composite2019 in samm"),
        (("samm", "006", "006_1_2", "?"), "no emotion is annotated"),
        (("samm", "006", "006_1_2", 4), "emotion '4' is none of " + ", ".join(EMOTIONS)),
    ],
)
def test_what_is_left_out_has_a_reason(row: tuple[str, str, str, str], reason: str):
    assert composite2019(*row) == LeftOut(reason)


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (("casme2", "sub05", "EP12_01f", "disgust"), "negative"),  # the exception is of another subject
        (("casme2", "sub17", "EP01_06", "repression"), "negative"),
        (("samm", "006", "006_1_2", "Contempt"), "negative"),
        (("smic", "S18", "s18_sur_03", "negative"), "surprise"),  # the name counts, as in the published list
    ],
)
def test_what_is_in_has_a_class(row: tuple[str, str, str, str], label: str):
    assert composite2019(*row) == label


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("casme3", "spNO.1", "a"), "none of the composite's"),
        (("samm", "007", "006_1_2"), "not of the subject 007"),
        (("smic", "s1", "EP02_01f"), "no such names"),
    ],
)
def test_names_of_another_database_or_subject_are_refused(row: tuple[str, str, str], told: str):
    with pytest.raises(ValueError, match=told):
        composite2019(*row, "surprise")


def test_clips_like_the_known_ones_raise_no_word():
    clips = made_up()
    assert compare(clips).told() == ""
    assert compare(clips).num_known == 442
    one = compare([row for row in clips if row[0].database == "samm"])
    assert (one.protocol, one.num_known, one.told()) == ("samm of composite2019", 133, "")


def test_what_is_missing_extra_or_twice_is_told():
    clips = made_up()
    lost = [row for row in clips if row[0].clip not in ("s03_ne_20", "EP23_ne")]
    added = [
        (clip_name("casme2", "sub04", "EP12_01f"), "negative"),
        (clip_name("smic", "s07", "s07_po_01"), "positive"),
        (clip_name("samm", "006", "006_9_9"), "others"),
        lost[0],
    ]
    found = compare([*lost, *added])
    assert found.missing == ("smic s03_ne_20", "casme2 sub17 negative: 22 of 23")
    assert found.extra == (
        "smic s01 s01_ne_01 2 times",
        "casme2 sub04 EP12_01f: left out of composite2019, as its onset is its apex",
        "samm 006 006_9_9: others is no class of composite2019 in samm",
        "smic s07_po_01",
    )
    assert found.told().startswith("not the 442 clips of composite2019; missing: smic s03_ne_20, casme2 sub17")


def test_a_wrong_class_is_told():
    found = compare([(clip_name("smic", "s18", "s18_sur_03"), "negative")])
    assert found.extra == ("smic s18 s18_sur_03: surprise, not negative",)


def test_a_list_of_nearly_nothing_is_told_briefly():
    told = compare([(clip_name("smic", "s1", "s1_ne_1"), "negative")]).told()
    assert told.endswith("smic s02_sur_01, smic s02_sur_02 and 155 more")


def test_databases_are_told_apart_by_their_names():
    assert guessed_database("1", "1_1_2") == "samm"
    assert guessed_database("spNO.1", "a") is None


def test_a_dataset_keeps_the_composite_and_says_why_others_go():
    rows = [
        ("sub04", "sub04_EP12_01f", "disgust"),
        ("sub04", "sub04_EP12_02f", "disgust"),
        ("sub01", "sub01_EP03_02", ""),
    ]
    kept = with_composite2019(dataset("casme2", rows))
    assert (kept.clip.tolist(), kept.examples.emotion.tolist(), kept.class_names) == (["sub04_EP12_02f"], [0], THREE)
    assert clips_of(kept) == [(ClipName("casme2", "sub04", "EP12_02f"), "negative")]
    assert compare(clips_of(kept)).missing[:3:2] == ("casme2 sub01 negative: 0 of 2", "casme2 sub02 negative: 0 of 5")
    assert [row["reason"] for row in kept.metadata["dropped"]] == [
        "left out of composite2019, as its onset is its apex",
        "no emotion is annotated",
    ]
    with pytest.raises(ValueError, match=r"casme2/all/1.0.0: no sample has an emotion of composite2019"):
        with_composite2019(dataset("casme2", rows[:1]))
