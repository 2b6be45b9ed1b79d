"""Scores of each client, database and site: part_scores.csv, in the terminal and on the page."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_runs import finished_run, predictions, splits_of
from rich.console import Console
from sklearn.metrics import f1_score, recall_score

from experiments.pages import part_scores, report
from experiments.results.conclude import conclude
from experiments.results.parts import FILE, part_table, parts_of
from experiments.results.read import read
from experiments.run.folder import RunFolder

NAMES = ("local only", "FedAvg")
WHERE = np.array(["casme2", "samm", "casme3"])


def from_databases(table: pd.DataFrame, column: str = "database") -> pd.DataFrame:
    """Rows whose subjects are shared out among three databases, the same in each repeat."""
    return table.assign(**{column: WHERE[table["subject"].astype(int) % 3]})


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    emotions, aus = predictions(list(NAMES), [0.3, 0.8], "fold", 0)
    return from_databases(emotions), from_databases(aus)


@pytest.fixture(scope="module")
def scored(tables: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    return part_table(*tables, splits_of("fold"), ["database"], num_draws=400)


def test_each_score_is_that_of_the_rows_alone(tables: tuple[pd.DataFrame, pd.DataFrame], scored: pd.DataFrame):
    by_row = scored[scored["kind"] == "trained"].set_index(["algorithm", "name"])
    assert len(by_row) == 6
    for (algorithm, name), rows in tables[0].groupby(["algorithm", "database"]):
        each = [one for _, one in rows.groupby("repeat")]
        one = by_row.loc[(algorithm, name)]
        f1 = [f1_score(own["label"], own["predicted"], average="macro") for own in each]
        uar = [recall_score(own["label"], own["predicted"], average="macro") for own in each]
        assert one["num_test"] == np.mean([len(own) for own in each])
        assert one[["uf1", "uf1_sd", "uar"]].tolist() == pytest.approx([np.mean(f1), np.std(f1, ddof=1), np.mean(uar)])
        assert one["uf1_low"] < one["uf1"] < one["uf1_high"]
        assert one["au_f1"] > 0


def test_the_majority_class_is_that_of_all_training_examples(tables, scored: pd.DataFrame):
    guessed = scored[scored["kind"] == "baseline"].set_index("name")
    most = splits_of("fold").filter(regex="^train_").groupby(splits_of("fold")["repeat"]).sum()
    assert set(guessed.index) == set(WHERE)
    assert guessed["uf1"].between(0.01, 0.4).all()
    assert guessed["uf1_low"].isna().all()
    assert len(most) == 2


def test_a_client_that_is_a_database_is_listed_once_and_others_twice():
    table = pd.DataFrame({"client": list("0123"), "database": ["a", "a", "b", "b"]})
    assert parts_of(table, "client") == ["client", "database"]
    assert parts_of(table.assign(client=["x", "x", "y", "y"]), "client") == ["client"]
    assert parts_of(table.assign(client="all", fold=list("0123")), "fold") == ["database"]
    assert parts_of(table.drop(columns="database").assign(site=["A", "B"] * 2, client="all"), "fold") == ["site"]
    assert parts_of(pd.DataFrame({"client": ["all"], "fold": ["0"]}), "fold") == []


def test_clients_dealt_at_random_have_a_spread_and_no_interval(tmp_path: Path):
    run = read(RunFolder(finished_run(tmp_path / "fed")))
    assert run.part_scores is not None
    assert run.part_scores["name"].astype(str).unique().tolist() == ["0", "1"]
    assert run.part_scores["uf1_sd"].notna().all()
    assert "uf1_low" not in run.part_scores


def composite(path: Path, experiment: str) -> RunFolder:
    """A finished run on three databases."""
    folder = RunFolder(finished_run(path, experiment=experiment, algorithms=NAMES))
    names = {"client": WHERE} if experiment == "fed" else {}
    emotions, aus = (from_databases(folder.read_table(f"{name}.csv")) for name in ("predictions", "au_predictions"))
    emotions, aus = (
        table.assign(**{column: from_databases(table)["database"] for column in names}) for table in (emotions, aus)
    )
    conclude(folder, emotions, aus, num_draws=400)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "part", "metrics"), [("fed", "client", 1), ("mer", "database", 2)])
def test_the_terminal_and_the_page_show_each_part(tmp_path: Path, experiment: str, part: str, metrics: int):
    folder = composite(tmp_path / "run", experiment)
    screen = io.StringIO()
    report.show(folder, Console(file=screen, width=80))
    shown = screen.getvalue()
    assert shown.count(f"of each {part} (synthetic data)") == metrics
    assert all(len(line) <= 80 for line in shown.splitlines() if "casme2" in line or "±" in line)
    assert set(WHERE) <= set(shown.split())
    sheets = part_scores.sheets(read(folder))
    assert list(sheets) == [f"{metric} of each {part}" for metric in ("UF1", "UAR", "Accuracy", "AU F1")]
    assert list(sheets[f"UF1 of each {part}"]) == [part, "examples", *NAMES, "majority class"]
    assert sheets[f"UF1 of each {part}"].shape == (3, 5)
    report.write(folder)
    page = (folder.path / "report.html").read_text()
    assert f"<h3>Each {part}</h3>" in page
    assert sheets[f"UF1 of each {part}"]["FedAvg"][0] in page


@pytest.mark.slow
def test_many_parts_are_left_to_their_file(tmp_path: Path):
    folder = composite(tmp_path / "run", "mer")
    run = read(folder)
    assert run.part_scores is not None
    many = pd.concat([run.part_scores.assign(name=run.part_scores["name"] + str(place)) for place in range(3)])
    folder.write_table(FILE, many)
    screen = io.StringIO()
    part_scores.show(read(folder), Console(file=screen, width=80))
    assert screen.getvalue().split() == ["Scores", "of", "each", "database:", str(folder.path / FILE)]


def test_a_missing_table_of_parts_is_named(tmp_path: Path):
    folder = composite(tmp_path / "run", "mer")
    (folder.path / FILE).unlink()
    with pytest.raises((ValueError, OSError), match=r"part_scores\.csv"):
        read(folder)
