import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.action_units import parse_action_units
from data.annotations import CHALLENGE_COLUMNS, TableError, read_challenge_table
from data.parallel import in_processes
from data.pictures import PictureError, read_grey, read_landmark_file
from data.pipeline import Clip, ClipError, Dropped, au_targets, clips_of, prepare
from fedpsyau_jax.vision.sample import Settings

HEADER = ",".join(CHALLENGE_COLUMNS)
GOOD = "sub0003,sub0003_01,109,140,170,Anger,0,500,4+L12"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "DFME_train.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cell", "sides"),
    [
        (4, {4: ""}),
        (12.0, {12: ""}),
        ("AU4+AU7", {4: "", 7: ""}),
        ("R12A, L4", {12: "R", 4: "L"}),
        ("R1+L1", {1: ""}),
        ("T10 B25C", {10: "", 25: ""}),
        ("4+AD38;M58", {4: ""}),
    ],
)
def test_action_unit_grammar(cell: object, sides: dict[int, str]):
    units = parse_action_units(cell)
    assert units is not None
    assert units.sides == sides
    assert not units.ambiguous


@pytest.mark.parametrize("cell", ["4 or 9", "4/9", "4+12 or 14"])
def test_of_two_readings_the_first_counts_and_is_flagged(cell: str):
    units = parse_action_units(cell)
    assert units is not None
    assert units.ambiguous
    assert 4 in units.present
    assert not units.present & {9, 14}


@pytest.mark.parametrize("cell", ["?", "", "  ", None, float("nan")])
def test_unknown_is_not_none_at_all(cell: object):
    assert parse_action_units(cell) is None


def test_a_cell_without_muscles_is_known_to_have_none():
    units = parse_action_units("AD38")
    assert units is not None
    assert units.present == frozenset()


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="'smile' is not an action unit"):
        parse_action_units("4+smile")


def test_challenge_table_is_read(tmp_path: Path):
    path = table(tmp_path, GOOD, "", "sub0004,sub0004_01,1,2,3,,,200,?")
    read = read_challenge_table(path)
    first, second = read.annotations
    assert (first.row, first.subject, first.clip) == (2, "sub0003", "sub0003_01")
    assert (first.onset, first.apex, first.offset, first.fps, first.emotion) == (109, 140, 170, 500, "anger")
    assert first.action_units is not None
    assert first.action_units.sides == {4: "", 12: "L"}
    assert (second.row, second.emotion, second.action_units) == (4, None, None)
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_columns_are_found_by_name_in_any_order(tmp_path: Path):
    names = ["extra", *reversed(CHALLENGE_COLUMNS)]
    cells = ["x", *reversed(GOOD.split(","))]
    path = table(tmp_path, ",".join(cells), header=",".join(names).upper())
    assert read_challenge_table(path).annotations[0].apex == 140


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([GOOD.replace("109", "x")], "row 2: OnsetFrame is 'x'"),
        ([GOOD, GOOD.replace("_01", "_02").replace("140", "-4")], "row 3: ApexFrame"),
        ([GOOD.replace("4+L12", "4+?!")], "row 2: AU cell"),
        ([GOOD, GOOD], "rows 2 and 3: the same clip sub0003_01"),
        (["sub0003,sub0003_01,109"], "row 2: 3 cells"),
        ([GOOD.replace("sub0003,", ",")], "row 2: Subject"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, rows: list[str], message: str):
    path = table(tmp_path, *rows)
    with pytest.raises(TableError) as error:
        read_challenge_table(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_another_databases_table_is_refused(tmp_path: Path):
    with pytest.raises(TableError, match="no column Subject"):
        read_challenge_table(table(tmp_path, "1,2", header="a,b"))
    path = tmp_path / "binary.csv"
    path.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(TableError, match=r"binary\.csv: not a CSV table"):
        read_challenge_table(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pictures_are_read_or_refused_whole(tmp_path: Path, suffix: str):
    picture = np.random.default_rng(0).integers(0, 255, (40, 30), np.uint8)
    path = tmp_path / f"00109{suffix}"
    assert cv2.imwrite(str(path), picture)
    assert read_grey(path).shape == (40, 30)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(PictureError, match=rf"00109\{suffix}: the picture is truncated"):
        read_grey(path)


def test_files_that_are_no_pictures_are_named(tmp_path: Path):
    with pytest.raises(PictureError, match=r"absent\.png: cannot be read"):
        read_grey(tmp_path / "absent.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(PictureError, match=r"empty\.png: not a picture"):
        read_grey(tmp_path / "empty.png")
    (tmp_path / "points.txt").write_text("1 2\n")
    with pytest.raises(PictureError, match=r"points\.txt: a landmark file must hold 68"):
        read_landmark_file(tmp_path / "points.txt")


def test_clips_are_found_and_unusable_rows_dropped_with_a_reason(tmp_path: Path):
    read = read_challenge_table(table(tmp_path, GOOD, "sub0003,sub0003_02,7,7,9,Anger,0,500,4"))
    kept, dropped = clips_of(read, tmp_path / "pictures", tmp_path / "points", "{:05d}.png")
    assert isinstance(kept, Clip)
    assert kept.onset == tmp_path / "pictures" / "sub0003_01" / "00109.png"
    assert kept.landmarks == tmp_path / "points" / "sub0003_01" / "00109.txt"
    assert dropped == Dropped(3, "sub0003_02", "onset and apex are the same frame")
    with pytest.raises(ClipError, match=r"table row 2, clip sub0003_01: .*00109\.png: cannot be read"):
        prepare(kept, Settings())


def test_unknown_and_unlabelled_action_units_are_masked(tmp_path: Path):
    rows = [GOOD, GOOD.replace("_01", "_02").replace("4+L12", "?")]
    known, unknown = read_challenge_table(table(tmp_path, *rows)).annotations
    targets = au_targets(known, (1, 4, 12), frozenset({1, 4}))
    np.testing.assert_array_equal(targets["au"], [0, 1, 0])
    np.testing.assert_array_equal(targets["au_mask"], [1, 1, 0])
    np.testing.assert_array_equal(au_targets(unknown, (1, 4, 12), frozenset({1, 4}))["au_mask"], 0)


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


@pytest.mark.parametrize("num_workers", [1, 2])
def test_processes_pass_errors_on(num_workers: int):
    with pytest.raises(ZeroDivisionError):
        list(in_processes(partial(pow, 0), [1, -1], num_workers))


def is_running(pid: str) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


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
