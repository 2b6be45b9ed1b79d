import json
import re
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from made_up_runs import SETTINGS, finished_run, rows_table

from experiments import compare
from experiments.pages import figures
from experiments.pages.tables import with_interval
from experiments.results import comparison
from experiments.results.conclude import conclude
from experiments.run.folder import RunFolder
from experiments.run.mistakes import exit_status

DRAWING = figures.png


@pytest.fixture
def two_runs(tmp_path):
    return finished_run(tmp_path / "strong", skill=0.9, learning_rate=1e-2), finished_run(tmp_path / "weak", skill=0.2)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The command in this process, without drawing: its exit status, what it printed, and its error."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(comparison, "bootstrap_runs", partial(comparison.bootstrap_runs, num_draws=200))
    monkeypatch.setattr(figures, "png", lambda figure: b"not drawn")

    def run(*arguments):
        status = exit_status(lambda: compare.main([*map(str, arguments)]))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def refused(outcome):
    status, out, errors = outcome
    assert status == 2
    assert out == ""
    assert errors.startswith("Error: ")
    assert errors.count("\n") == 1
    return errors.strip()


def test_two_runs_leave_tables_figures_and_a_page(command, two_runs, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "png", DRAWING)
    status, out, errors = command(*two_runs, "--output", tmp_path / "compared")
    assert status == 0
    assert "paired differences  done" in errors
    written = {path.relative_to(tmp_path / "compared").as_posix() for path in (tmp_path / "compared").rglob("*.*")}
    images = {f"figures/{name}.png" for name in ("scores", "differences", "curves")}
    assert written == {"comparison.csv", "differences.csv", "comparison.json", "report.html", *images}
    assert all((tmp_path / "compared" / name).read_bytes().startswith(b"\x89PNG") for name in images)
    for shown in ("strong", "P-FedProx", "majority class", "synthetic data", "weak: FedAvg minus P-FedProx"):
        assert shown in out
    assert str(tmp_path / "compared" / "report.html") in out
    html = (tmp_path / "compared" / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    assert html.count("data:image/png") == 3
    text = []
    parser = HTMLParser()
    parser.handle_data = text.append
    parser.feed(html)
    assert "Synthetic data." in "".join(text)


def test_scores_are_those_of_the_summaries_and_baselines_are_there_once(command, two_runs, tmp_path):
    command(*two_runs, "--output", tmp_path / "compared")
    table = pd.read_csv(tmp_path / "compared" / "comparison.csv")
    assert table[["run", "algorithm"]].agg(tuple, axis=1).tolist() == [
        ("strong", "FedAvg"), ("strong", "P-FedProx"), ("weak", "FedAvg"), ("weak", "P-FedProx"),
        ("strong", "majority class"), ("strong", "chance"), ("strong", "AU-set oracle (in sample)"),
    ]  # fmt: skip
    for path in two_runs:
        summary = pd.read_csv(path / "summary.csv").set_index("algorithm")
        for row in table[(table["run"] == path.name) & (table["kind"] == "trained")].to_dict("records"):
            expected = summary.loc[row["algorithm"]]
            assert row["uf1"] == pytest.approx(expected["uf1"])
            assert row["uar_sd"] == pytest.approx(expected["uar_sd"])
            assert row["uf1_low"] < row["uf1"] < row["uf1_high"]
            assert (row["num_repeats"], row["num_subjects"], row["num_clips"]) == (2, 10, 60)
    assert table["uf1_low"].isna().tolist() == [False] * 4 + [True] * 3


def test_differences_are_paired_and_find_the_better_run(command, two_runs, tmp_path):
    command(*two_runs, "--output", tmp_path / "compared")
    pairs = pd.read_csv(tmp_path / "compared" / "differences.csv")
    names = ["run", "algorithm", "other_run", "other_algorithm"]
    assert pairs[names].agg(" ".join, axis=1).tolist() == [
        "strong FedAvg strong P-FedProx", "strong FedAvg weak FedAvg", "strong P-FedProx weak P-FedProx",
        "weak FedAvg weak P-FedProx",
    ]  # fmt: skip
    between = pairs[pairs["run"] != pairs["other_run"]]
    assert (between["uf1_low"] > 0.2).all()
    within = pairs[pairs["run"] == pairs["other_run"]]
    assert within["uf1"].abs().max() < between["uf1"].min() / 2
    scores = pd.read_csv(tmp_path / "compared" / "comparison.csv").set_index(["run", "algorithm"])["uf1"]
    assert between["uf1"].iloc[0] == pytest.approx(scores["strong", "FedAvg"] - scores["weak", "FedAvg"])


@pytest.mark.slow
def test_identical_runs_are_said_to_be_identical(command, tmp_path):
    paths = [finished_run(tmp_path / name, seed=seed) for name, seed in (("one", 0), ("same", 0), ("other", 1))]
    _, out, _ = command(*paths, "--output", tmp_path / "compared")
    said = "one and same are identical: all their rows gave the same predictions."
    assert said in out
    assert out.count("are identical") == 1
    assert json.loads((tmp_path / "compared" / "comparison.json").read_text())["identical"] == [said]
    assert said in (tmp_path / "compared" / "report.html").read_text()


@pytest.mark.slow
def test_by_default_rows_are_compared_that_differ_in_one_thing(command, tmp_path):
    names = ("local only", "FedAvg", "FedProx", "P-FedProx")
    paths = [finished_run(tmp_path / name, algorithms=names, seed=seed) for name, seed in (("one", 0), ("two", 1))]
    for pairs, count in ((), 3 + 3 + 4), (("--pairs", "all"), 28):
        output = tmp_path / f"{count}"
        _, out, _ = command(*paths, *pairs, "--output", output)
        table = pd.read_csv(output / "differences.csv")
        assert len(table) == count
        assert f"({count} comparisons of 8 rows;" in out
        first = (table["algorithm"] == names[0]) & (table["run"] == table["other_run"])
        assert first.sum() == 6
    assert "one: FedAvg minus two: FedAvg" in out


@pytest.mark.slow
def test_a_swept_row_is_compared_with_the_row_of_its_name(command, tmp_path):
    plain = finished_run(tmp_path / "plain", algorithms=("FedAvg", "FedProx"))
    rows = rows_table(["FedAvg", "FedProx, mu 0.1", "FedProx, mu 1"], mu=[None, 0.1, 1])
    swept = finished_run(tmp_path / "swept", rows=rows, skill=0.5)
    command(plain, swept, "--output", tmp_path / "compared")
    pairs = pd.read_csv(tmp_path / "compared" / "differences.csv")
    between = pairs[pairs["run"] != pairs["other_run"]]
    assert between[["algorithm", "other_algorithm"]].to_numpy().tolist() == [
        ["FedAvg", "FedAvg"],
        ["FedProx", "FedProx, mu 0.1"],
        ["FedProx", "FedProx, mu 1"],
    ]


@pytest.mark.slow
def test_the_verdict_names_the_runs(command, two_runs, tmp_path):
    _, out, _ = command(*two_runs, "--output", tmp_path / "compared")
    assert "strong: FedAvg is above weak: FedAvg by" in out.replace(" in UF1", "")
    assert "is above weak" in (tmp_path / "compared" / "report.html").read_text()


@pytest.mark.slow
def test_a_model_without_a_namesake_is_paired_with_all_of_the_other_run(command, tmp_path):
    runs = {"scratch": ["scratch"], "two": ["finetuned", "frozen"], "frozen": ["frozen"]}
    paths = [finished_run(tmp_path / name, algorithms=models, skill=0.5) for name, models in runs.items()]
    command(*paths, "--output", tmp_path / "compared")
    pairs = pd.read_csv(tmp_path / "compared" / "differences.csv")
    names = ["run", "algorithm", "other_run", "other_algorithm"]
    assert pairs[names].agg(" ".join, axis=1).tolist() == [
        "scratch scratch two finetuned", "scratch scratch two frozen", "scratch scratch frozen frozen",
        "two finetuned two frozen", "two finetuned frozen frozen", "two frozen frozen frozen",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_same_runs_give_the_same_tables(command, two_runs, tmp_path):
    for name in ("one", "two"):
        command(*two_runs, "--output", tmp_path / name)
    for file in ("comparison.csv", "differences.csv", "comparison.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_folds_of_one_run_with_one_model(command, tmp_path):
    path = finished_run(tmp_path / "loso", experiment="mer", algorithms=("FED-PsyAU",))
    status, out, _ = command(path, "--output", tmp_path / "compared")
    assert status == 0
    assert "Paired differences" not in out
    assert len(pd.read_csv(tmp_path / "compared" / "differences.csv")) == 0
    assert "No two models were tested on the same clips" in (tmp_path / "compared" / "report.html").read_text()


DIFFERENT = {
    "data": ({"fingerprint": "e" * 64}, r"data is made up with fingerprint ffffffffffff in a and .* eeeeeeeeeeee in b"),
    "seed": ({"seed": 1}, "seed is 0 in a and 1 in b"),
    "a protocol": ({"protocol": "loso"}, "protocol is None in a and loso in b"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "said"), DIFFERENT.values(), ids=DIFFERENT)
def test_runs_of_another_protocol_are_refused_until_told_to(command, tmp_path, changes, said):
    settings = SETTINGS | changes
    settings.pop("fingerprint", None)
    paths = [finished_run(tmp_path / "a"), finished_run(tmp_path / "b", seed=1), tmp_path / "compared"]
    config = json.loads((paths[1] / "config.json").read_text())
    (paths[1] / "config.json").write_text(json.dumps(config | {"settings": settings}))
    if "fingerprint" in changes:
        data = json.loads((paths[1] / "data.json").read_text())
        databases = [data["databases"][0] | changes]
        (paths[1] / "data.json").write_text(json.dumps(data | {"databases": databases}))
    message = refused(command(*paths[:2], "--output", paths[2]))
    assert re.search(said, message)
    assert "--allow-different" in message
    assert not paths[2].exists()
    status, out, _ = command(*paths[:2], "--allow-different", "--output", paths[2])
    assert status == 0
    assert re.search(said, out)
    assert re.search(said, json.loads((paths[2] / "comparison.json").read_text())["differing"][0])
    assert "Not the same protocol." in (paths[2] / "report.html").read_text()


@pytest.mark.slow
def test_only_what_was_chosen_otherwise_is_named(command, tmp_path):
    paths = [finished_run(tmp_path / name) for name in "abc"]
    config = json.loads((paths[1] / "config.json").read_text())
    config["settings"] |= {"clients": 7, "rounds": 2, "learning_rate": 1.0}
    (paths[1] / "config.json").write_text(json.dumps(config))
    message = refused(command(*paths, "--output", tmp_path / "compared"))
    assert "methods: clients is 2 in a, c and 7 in b. Compare" in message


@pytest.mark.slow
def test_other_clips_are_named_and_not_paired(command, two_runs, tmp_path):
    folder = RunFolder(two_runs[1])
    emotions, aus = (folder.read_table(f"{name}.csv") for name in ("predictions", "au_predictions"))
    lost = emotions["clip"].iloc[0]
    conclude(folder, emotions[emotions["clip"] != lost], aus[aus["clip"] != lost], num_draws=200)
    assert "the set of tested clips is 120 with" in refused(command(*two_runs, "--output", tmp_path / "compared"))
    _, out, _ = command(*two_runs, "--allow-different", "--output", tmp_path / "compared")
    assert "No paired differences between strong and weak: 2 tested clips are in one of the two only." in out
    pairs = pd.read_csv(tmp_path / "compared" / "differences.csv")
    assert (pairs["run"] == pairs["other_run"]).all()


@pytest.mark.slow
def test_runs_of_one_name_are_told_apart(command, tmp_path):
    paths = [finished_run(tmp_path / who / "run") for who in ("anna", "ben")]
    status, out, _ = command(*paths, "--output", tmp_path / "compared")
    assert status == 0
    assert "anna" in out
    assert set(pd.read_csv(tmp_path / "compared" / "comparison.csv")["run"]) == set(map(str, paths))


@pytest.mark.slow
@pytest.mark.parametrize("columns", [30, 60, 80, 200])
def test_no_terminal_is_too_narrow_for_a_score(command, two_runs, tmp_path, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = command(*two_runs, "--output", tmp_path / "compared")
    for name in ("comparison", "differences"):
        table = pd.read_csv(tmp_path / "compared" / f"{name}.csv").dropna(subset=["accuracy_low"])
        for low, high in zip(table["accuracy_low"], table["accuracy_high"], strict=True):
            _, interval = with_interval(0, low, high).split(" ", 1)
            assert interval in out


@pytest.mark.slow
def test_many_models_have_no_curves(command, tmp_path):
    path = finished_run(tmp_path / "many", algorithms=tuple(f"model {number}" for number in range(9)))
    assert command(path, "--output", tmp_path / "compared")[0] == 0
    assert not (tmp_path / "compared" / "figures" / "curves.png").exists()


def test_a_mistake_is_one_sentence(command, tmp_path):
    path = finished_run(tmp_path / "run")
    assert "is named twice" in refused(command(path, tmp_path / "." / "run"))
    assert "no run folder" in refused(command(path, tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'} is no run folder" in refused(command(path, tmp_path / "empty"))
    assert "name at least one run" in refused(command())
    assert "choose another with --output" in refused(command(path, "--output", tmp_path / "empty"))
    (path / "predictions.csv").unlink()
    assert "predictions.csv" in refused(command(path))


def test_an_unfinished_run_is_refused_with_the_command_that_ends_it(command, tmp_path):
    interrupted = finished_run(tmp_path / "interrupted", rounds=5)
    message = refused(command(interrupted))
    assert "is not finished (3 of 5 rounds)" in message
    assert f"python -m experiments.fed --resume={interrupted}" in message
    (interrupted / "summary.csv").unlink()
    assert "is not finished: let it end" in refused(command(interrupted))
