import csv
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from data.action_units import parse_action_units
from data.annotations import read_table
from data.casme2.layout import COLUMNS as CASME2
from data.casme3.layout import COLUMNS as CASME3
from data.dfme.layout import CHALLENGE, FULL
from data.parallel import in_processes
from data.pipeline import au_targets
from data.samm.layout import COLUMNS as SAMM
from data.sheets import TableError
from fedpsyau_jax.synthesis.challenge_layout import COLUMNS

HEADER = ",".join(COLUMNS)
GOOD = "sub0003,sub0003_01,109,140,170,Anger,0,500,4+L12"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "DFME_train.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_challenge_table_is_read(tmp_path: Path):
    path = table(tmp_path, GOOD, "", "sub0004,sub0004_01,1,2,3,,,200,?")
    read = read_table(path, CHALLENGE)
    first, second = read.annotations
    assert (first.row, first.subject, first.clip) == (2, "sub0003", "sub0003_01")
    assert (first.onset, first.apex, first.offset, first.fps, first.emotion) == (109, 140, 170, 500, "anger")
    assert first.action_units is not None
    assert first.action_units.sides == {4: "", 12: "L"}
    assert (second.row, second.clip, second.emotion, second.action_units) == (4, "sub0004_01", None, None)
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_found_by_name_in_any_order(tmp_path: Path, separator: str):
    names = ["extra", *reversed(COLUMNS)]
    cells = ["x", *reversed(GOOD.split(","))]
    path = table(tmp_path, separator.join(cells), header=separator.join(names).upper())
    assert read_table(path, CHALLENGE).annotations[0].apex == 140


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_tables_are_read_as_spreadsheet_programs_export_them(tmp_path: Path, encoding: str):
    path = tmp_path / "DFME_train.txt"
    rows = [[*COLUMNS, "Remarks"], [*GOOD.split(","), "clignement, léger"]]
    path.write_text("\n".join("\t".join(row) for row in rows), encoding=encoding)
    (row,) = read_table(path, CHALLENGE).annotations
    assert (row.clip, row.apex, row.emotion) == ("sub0003_01", 140, "anger")


@pytest.mark.parametrize(
    "spelling",
    [
        {"Subject": "Subject No.", "Filename": "File_name", "OnsetFrame": "onset frame number", "AU": "AUs (FACS)"},
        {"Subject": "sub_id", "OffsetFrame": "Ofset", "ApexFrame": "Apex\nFrame", "Emotion": "Emotion label"},
    ],
)
def test_headers_may_be_spelt_otherwise(tmp_path: Path, spelling: dict[str, str]):
    path = tmp_path / "DFME_train.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([[spelling.get(name, name) for name in COLUMNS], GOOD.split(",")])
    (row,) = read_table(path, CHALLENGE).annotations
    assert (row.subject, row.onset, row.apex, row.offset, row.emotion) == ("sub0003", 109, 140, 170, "anger")
    assert row.action_units is not None


@pytest.mark.parametrize("cell", [7, 7.0, "7.0", "07", "sub7", "Sub 07", "sub_007"])
def test_subjects_are_known_however_they_are_written(cell: object):
    assert CASME2.subject(cell) == "sub07"
    assert SAMM.subject(cell) == "007"
    assert CASME3.subject(cell) == "spNO.7"
    assert CHALLENGE.subject(cell) == "sub0007"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (GOOD.replace("109", "x"), "onset is 'x', not a whole number from 0"),
        (GOOD.replace("109", "=A1+1"), "onset is the formula '=A1+1' without its value: save the table again"),
        (GOOD.replace("170", "-4"), "offset is '-4', not a whole number from 0"),
        (GOOD.replace("Anger", "boredom"), "emotion 'boredom' is none of anger"),
        (GOOD.replace("500", ""), "no fps is annotated"),
        (GOOD.replace("sub0003,", ","), "Subject is empty, not as the DFME challenge writes it"),
        ("sub0003", "Filename is empty, not as the DFME challenge writes it"),
    ],
)
def test_a_bad_row_is_dropped_with_its_reason(tmp_path: Path, bad: str, reason: str):
    good = [GOOD.replace("_01", "_02"), GOOD.replace("_01", "_03")]
    read = read_table(table(tmp_path, bad, *good), CHALLENGE)
    (dropped,) = read.dropped
    assert dropped.row == 2
    assert dropped.reason.startswith(reason)
    assert [row.row for row in read.annotations] == [3, 4]


@pytest.mark.parametrize(
    ("cell", "notes"),
    [
        ("4+?!", ["AUs unknown: AU cell '4+?!': '?!' is not an action unit"]),
        ("4&7", ["AUs unknown: AU cell '4&7': '4&7' is not an action unit"]),
        ("12L", ["AUs unknown: AU cell '12L': '12L' is not an action unit"]),
        ("", ["AUs unknown: the cell is empty"]),
        (" ? ", ["AUs unknown: the cell is '?'"]),
        ("4+7?", ["AU 7 unknown: '4+7?'"]),
        ("12+ref(7B)", ["AU 7 unknown: '12+ref(7B)'"]),
        ("L7 or L12", ["AU 7 unknown: 'L7 or L12'", "AU 12 unknown: 'L7 or L12'", "AUs ambiguous: 'L7 or L12'"]),
        ("AD38", []),
    ],
)
def test_whatever_is_masked_is_noted(tmp_path: Path, cell: str, notes: list[str]):
    (row,) = read_table(table(tmp_path, GOOD.replace("4+L12", cell)), CHALLENGE).annotations
    assert row.notes == tuple(notes)
    masked = au_targets(row, [4, 7], frozenset({4, 7}))["au_mask"]
    assert bool(masked.all()) == (not any("unknown" in note for note in notes))


def test_a_table_without_action_units_says_so(tmp_path: Path):
    path = table(tmp_path, "sub0003,sub0003_01,500", header="Subject,Filename,fps")
    (row,) = read_table(path, FULL).annotations
    assert row.notes == ("AUs unknown: there is no such column",)


def test_a_row_of_casme3_without_onset_names_no_clip(tmp_path: Path):
    rows = ["spNO.1,a,?,8,9,4,fear", "spNO.1,a,5,8,9,4,?"]
    read = read_table(table(tmp_path, *rows, header="Subject,Filename,Onset,Apex,Offset,AU,emotion"), CASME3)
    assert [(row.row, row.reason) for row in read.dropped] == [(2, "no onset is annotated")]
    assert [row.emotion for row in read.annotations] == [None]


def test_repeated_keys_are_named_all_at_once(tmp_path: Path):
    other = GOOD.replace("_01", "_02")
    shouted = other.replace("sub0003_02", "SUB0003_02")  # folders are found whatever their case
    first, second = read_table(table(tmp_path, GOOD, other, GOOD, other, shouted), CHALLENGE).problems
    assert first.endswith("rows 2 and 4: the same clip sub0003_01; delete one of them")
    assert "rows 3 and 5 and 6: the same clip sub0003_02" in second


def test_another_databases_table_is_refused(tmp_path: Path):
    with pytest.raises(TableError, match="there is no column subject, filename, onset"):
        read_table(table(tmp_path, "1,2", header="a,b"), CHALLENGE)
    with pytest.raises(TableError, match=r"DFME_train\.csv, row 2: Subject is 'spNO\.1', not as the DFME challenge"):
        read_table(table(tmp_path, GOOD.replace("sub0003,", "spNO.1,")), CHALLENGE)
    with pytest.raises(TableError, match="a header but no rows"):
        read_table(table(tmp_path), CHALLENGE)
    path = tmp_path / "binary.csv"
    path.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(TableError, match=r"binary\.csv: not a CSV table"):
        read_table(path, CHALLENGE)


def test_unknown_and_unlabelled_action_units_are_masked(tmp_path: Path):
    rows = [GOOD, GOOD.replace("_01", "_02").replace("4+L12", "?")]
    known, unknown = read_table(table(tmp_path, *rows), CHALLENGE).annotations
    targets = au_targets(known, (1, 4, 12), frozenset({1, 4}))
    np.testing.assert_array_equal(targets["au"], [0, 1, 0])
    np.testing.assert_array_equal(targets["au_mask"], [1, 1, 0])
    np.testing.assert_array_equal(au_targets(unknown, (1, 4, 12), frozenset({1, 4}))["au_mask"], 0)
    doubtful = known._replace(action_units=parse_action_units("ref(1)+4"))
    np.testing.assert_array_equal(au_targets(doubtful, (1, 4, 12), frozenset({1, 4}))["au_mask"], [0, 1, 0])


def test_processes_keep_the_order_and_take_tasks_as_needed():
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = in_processes(partial(pow, 2), tasks(), num_workers=2)
    assert [next(results) for _ in range(5)] == [1, 2, 4, 8, 16]
    assert len(taken) < 100
    results.close()


def test_a_function_that_cannot_be_sent_to_processes_is_told():
    with pytest.raises(ValueError, match="define it at the top of a module, or work with one process"):
        list(in_processes(lambda task: task, [1, 2], num_workers=2))
    assert list(in_processes(lambda task: task, [1, 2], num_workers=1)) == [1, 2]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_processes_pass_errors_on(num_workers: int):
    with pytest.raises(ZeroDivisionError):
        list(in_processes(partial(pow, 0), [1, -1], num_workers))


def test_a_worker_that_dies_is_told_in_one_sentence():
    with pytest.raises(OSError, match="a worker process died, perhaps for want of memory; what is finished is kept"):
        list(in_processes(os._exit, [1], num_workers=2))


def is_running(pid: str) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
def test_workers_need_no_guarded_program_and_end_with_it(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\n"
        "from data.parallel import in_processes\n"
        "print('started')\n"
        "print(list(in_processes(abs, [-1, -2], 2)))\n"
        "results = in_processes(time.sleep, [0, 60, 60], 2)\n"
        "next(results)\n"
        "import multiprocessing\n"
        "print(*[child.pid for child in multiprocessing.active_children()], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    started, answer, workers = done.stdout.splitlines()
    assert (started, answer) == ("started", "[1, 2]")
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in workers.split()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
