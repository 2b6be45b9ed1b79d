"""Files that follow from settings and data: in a resumed run they are as they were, incomplete, damaged, or edited."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.run import facts
from experiments.run.folder import RunFolder

DATABASE = {"name": "synthetic/federated/0.0.0", "fingerprint": "a" * 64, "num_samples": 3}
DATA: dict[str, Any] = {"databases": [DATABASE], "part": "fold"}
SPLITS = pd.DataFrame([{"repeat": 0, "fold": "0", "num_train": 3, "share": 1 / 3, "subjects": "a b"}])
FACTS = ("splits.csv", "environment.json", "data.json")


def write(folder: RunFolder, data: dict[str, Any] = DATA) -> None:
    facts.write_facts(folder, data, {"splits.csv": SPLITS})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    started = RunFolder(tmp_path)
    write(started)
    return started


@pytest.mark.parametrize("name", FACTS)
def test_what_is_missing_is_written_again(folder: RunFolder, name: str):
    before = {fact: (folder.path / fact).read_bytes() for fact in FACTS}
    (folder.path / name).unlink()
    write(folder)
    assert {fact: (folder.path / fact).read_bytes() for fact in FACTS} == before


DAMAGES: dict[str, tuple[str, Callable[[str], str], str]] = {
    "half a table": (
        "splits.csv",
        lambda text: text[:-9],
        r"splits.csv is not what .* was damaged or edited, delete",
    ),
    "no table": ("splits.csv", lambda _: "", r"splits.csv is not what the settings and the data of this run give"),
    "a list": ("data.json", lambda _: "[1]", r"data.json does not say databases; restore it"),
    "other facts": ("data.json", lambda _: "{}", r"data.json does not say databases; restore it"),
    "no database": ("data.json", lambda _: '{"databases": []}', r"data.json does not name the run's databases"),
    "no fingerprint": ("data.json", lambda _: '{"databases": [{}]}', r"data.json does not say fingerprint; restore it"),
    "half the facts": ("data.json", lambda text: text[:40], r"data.json cannot be read \("),
    "other data": (
        "data.json",
        lambda text: text.replace("aa", "bb"),
        r"was run on data with fingerprint bbbbbbbbbbbb,",
    ),
    "no environment": ("environment.json", lambda _: "{}", r"environment.json does not say python; restore it"),
    "half an environment": ("environment.json", lambda text: text[:40], r"environment.json cannot be read \("),
}


@pytest.mark.parametrize(("name", "change", "said"), DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_named(folder: RunFolder, name: str, change: Callable[[str], str], said: str):
    path = folder.path / name
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=said):
        write(folder)


def test_facts_beside_the_fingerprint_are_repaired(folder: RunFolder):
    folder.write_json("data.json", {"databases": [{"fingerprint": DATABASE["fingerprint"]}]})
    write(folder)
    assert folder.read_json("data.json") == DATA


def test_changed_data_are_refused(folder: RunFolder):
    said = r"fingerprint aaaaaaaaaaaa, but synthetic/federated/0.0.0 has bbbbbbbbbbbb now: the run cannot go on"
    with pytest.raises(ValueError, match=said):
        write(folder, {"databases": [DATABASE | {"fingerprint": "b" * 64}]})
    facts.check_databases(folder, DATA["databases"], "read another")
    with pytest.raises(ValueError, match=r"now: read another"):
        facts.check_databases(folder, [DATABASE | {"fingerprint": "c" * 64}], "read another")
