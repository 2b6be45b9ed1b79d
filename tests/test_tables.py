import io

import numpy as np
import pandas as pd
import pytest
from made_up_runs import finished_pretraining, finished_run
from rich.console import Console

from experiments.pages import tables
from experiments.run.folder import RunFolder


def printed(folder, width=80):
    output = io.StringIO()
    summary, intervals = (folder.read_table(f"{name}.csv") for name in ("summary", "intervals"))
    table = tables.terminal_table(summary, intervals, "client", synthetic=True)
    Console(file=output, width=width).print(table)
    return output.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return RunFolder(finished_run(tmp_path_factory.mktemp("runs") / "run", skill=0.5))


def test_long_names_fold_and_every_score_stays_whole_on_80_columns(tmp_path):
    name = "FedAvg, my_own_priors:psychology prior"
    folder = RunFolder(finished_run(tmp_path / "run", algorithms=(name,), skill=0.5))
    shown = printed(folder)
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    assert shown.count("±") == 6 + 5 + 6 + 5 + len(["mean±sd"])
    words = "".join(line.split()[0] for line in shown.splitlines() if line.split())
    assert name.replace(" ", "") in words
    for low, high in folder.read_table("intervals.csv")[["low", "high"]].to_numpy():
        assert tables.interval_text(low, high).replace(", ", ",") in shown


def test_the_table_shows_the_baselines_last_and_a_dash_for_what_is_undefined(folder):
    lines = printed(folder).splitlines()
    assert "(synthetic data)" in lines[0]
    trained = next(index for index, line in enumerate(lines) if line.startswith("FedAvg"))
    majority = next(index for index, line in enumerate(lines) if line.startswith("majority"))
    assert trained < majority
    assert lines[majority].split()[4] == "-"
    assert lines[trained + 1].split()[0].startswith("[")


def test_one_repeat_has_no_spread(folder):
    summary, intervals = (folder.read_table(f"{name}.csv") for name in ("summary", "intervals"))
    one = summary.assign(num_repeats=1)
    output = io.StringIO()
    Console(file=output, width=80).print(tables.terminal_table(one, intervals, "client", synthetic=False))
    assert "±" not in output.getvalue()
    assert "one repeat" in output.getvalue()


def test_a_metric_that_nothing_has_is_no_column(folder):
    summary, intervals = (folder.read_table(f"{name}.csv") for name in ("summary", "intervals"))
    assert "AU F1" in tables.summary_sheet(summary, intervals).headings
    assert "AU F1" not in tables.summary_sheet(summary.assign(au_f1=np.nan), intervals).headings


def test_each_action_unit_has_a_row_with_its_interval(tmp_path):
    folder = RunFolder(finished_pretraining(tmp_path / "run"))
    parts = (folder.read_table(f"{name}.csv") for name in ("summary", "au_scores", "intervals"))
    sheet = tables.au_sheet(*parts)
    assert sheet["score"].tolist() == ["mean", "AU1", "AU4", "AU12"]
    assert list(sheet) == ["score", "AU detector", "all AUs everywhere"]
    assert sheet["AU detector"].str.contains(r"^\S+±\S+ \[\S+, \S+\]$").all()
    assert "[" not in sheet["all AUs everywhere"].iloc[0]


@pytest.mark.parametrize("width", [30, 60, 200])
def test_a_table_that_is_too_wide_has_its_intervals_below_the_scores(width):
    text = pd.DataFrame({"run": ["a"], "UF1": ["-.512 [-.430, .590]"], "UAR": [".500 [.400, .600]"]})
    output = io.StringIO()
    tables.print_table(Console(file=output, width=width), text, "Heading")
    for value in ("-.512", "[-.430, .590]", ".500", "[.400, .600]"):
        assert value in output.getvalue()
