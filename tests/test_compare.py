import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import compare
from experiments.pages import figures
from experiments.pages.tables import with_interval
from experiments.results import baselines
from experiments.results import schema as records
from experiments.results import scores as results
from experiments.run import commandline
from experiments.run import folder as runfolder

CLASSES = ["anger", "fear & co", "surprise"]
SETTINGS = {"split": "subjects", "clients": 2, "repeats": 2, "seed": 0, "rounds": 3, "learning_rate": 1e-3}
NUM_SUBJECTS, CLIPS_EACH, NUM_ROUNDS = 10, 6, 3
SUBJECTS = [f"{person:03d}" for person in range(NUM_SUBJECTS) for _ in range(CLIPS_EACH)]
LABELS = np.arange(len(SUBJECTS)) % 3
DRAWING = figures.png


def predictions(part, skill, algorithms, seed):
    """Of models that know the class of each clip with the probability ``skill``, for two repeats of two parts."""
    draw, tables = np.random.default_rng(seed), []
    for algorithm in algorithms:
        for repeat in range(SETTINGS["repeats"]):
            for client in range(2):
                rows = np.flatnonzero((np.array(SUBJECTS).astype(int) + repeat) % 2 == client)
                known = np.where(draw.random(len(rows)) < skill, LABELS[rows], draw.integers(0, 3, len(rows)))
                keys = {"algorithm": algorithm, "repeat": repeat, part: str(client)}
                clips, who = [f"{SUBJECTS[row]}_{row:02d}" for row in rows], [SUBJECTS[row] for row in rows]
                tables.append(
                    records.class_predictions(keys, clips, who, LABELS[rows], np.eye(3)[known], CLASSES),
                )
    return pd.concat(tables)


def rounds(algorithms):
    shape = (len(algorithms), SETTINGS["repeats"], 2)
    confusion = np.random.default_rng(1).integers(0, 5, (*shape, 3, 3))
    sums = dict.fromkeys(("train_loss_sum", "num_train", "test_loss_sum"), np.ones(shape))
    return pd.concat(
        records.round_metrics(number, algorithms, ["0", "1"], confusion=confusion, **sums)
        for number in range(1, NUM_ROUNDS + 1)
    )


def finished_run(
    path, *, part="client", skill=0.6, algorithms=("FedAvg", "P-FedProx"), seed=0, fingerprint="f" * 64, **settings
):
    folder = runfolder.create(path)
    tested = predictions(part, skill, algorithms, seed)
    splits = pd.DataFrame(
        records.client_split({"repeat": repeat, part: client}, SUBJECTS, LABELS, LABELS, CLASSES)
        for repeat in range(2)
        for client in "01"
    )
    scored = [results.score_repeats(tested, part=part), baselines.majority(tested, splits, part=part)]
    facts = {"synthetic": True, "fingerprint": fingerprint}
    config = {"experiment": "fed", "command": "python -m experiments.fed", "settings": SETTINGS | settings}
    folder.write_json("config.json", config)
    folder.write_json("environment.json", runfolder.environment())
    folder.write_json("data.json", records.data_facts("made up", SUBJECTS, LABELS, CLASSES, [], **facts))
    folder.write_table("clients.csv", splits)
    folder.write_table("metrics.csv", rounds(list(algorithms)))
    folder.write_table("predictions.csv", tested)
    folder.write_table("summary.csv", results.summarise(scored))
    return path


@pytest.fixture
def two_runs(tmp_path):
    return finished_run(tmp_path / "strong", skill=0.9, learning_rate=1e-2), finished_run(tmp_path / "weak", skill=0.2)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The command in this process, without drawing: its exit status, what it printed, and its error."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(compare, "NUM_DRAWS", 200)
    monkeypatch.setattr(figures, "png", lambda figure: b"not drawn")

    def run(*arguments):
        status = commandline.guarded(lambda: compare.main([*map(str, arguments)]))
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
        ("strong", "majority class"),
    ]  # fmt: skip
    for path in two_runs:
        summary = pd.read_csv(path / "summary.csv").set_index("algorithm")
        for row in table[(table["run"] == path.name) & (table["kind"] == "trained")].to_dict("records"):
            expected = summary.loc[row["algorithm"]]
            assert row["uf1"] == pytest.approx(expected["uf1"])
            assert row["uar_sd"] == pytest.approx(expected["uar_sd"])
            assert row["uf1_low"] < row["uf1"] < row["uf1_high"]
            assert (row["num_repeats"], row["num_subjects"], row["num_clips"]) == (2, 10, 60)
    assert table["uf1_low"].isna().tolist() == [False] * 4 + [True]


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


def test_the_same_runs_give_the_same_tables(command, two_runs, tmp_path):
    for name in ("one", "two"):
        command(*two_runs, "--output", tmp_path / name)
    for file in ("comparison.csv", "differences.csv", "comparison.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_folds_of_one_run_with_one_model(command, tmp_path):
    path = finished_run(tmp_path / "loso", part="fold", algorithms=("FED-PsyAU",))
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


@pytest.mark.parametrize(("changes", "said"), DIFFERENT.values(), ids=DIFFERENT)
def test_runs_of_another_protocol_are_refused_until_told_to(command, tmp_path, changes, said):
    settings = SETTINGS | changes
    settings.pop("fingerprint", None)
    paths = [finished_run(tmp_path / "a"), finished_run(tmp_path / "b", seed=1), tmp_path / "compared"]
    config = json.loads((paths[1] / "config.json").read_text())
    (paths[1] / "config.json").write_text(json.dumps(config | {"settings": settings}))
    if "fingerprint" in changes:
        data = json.loads((paths[1] / "data.json").read_text())
        (paths[1] / "data.json").write_text(json.dumps(data | changes))
    message = refused(command(*paths[:2], "--output", paths[2]))
    assert re.search(said, message)
    assert "--allow-different" in message
    assert not paths[2].exists()
    status, out, _ = command(*paths[:2], "--allow-different", "--output", paths[2])
    assert status == 0
    assert re.search(said, out)
    assert re.search(said, json.loads((paths[2] / "comparison.json").read_text())["differing"][0])
    assert "Not the same protocol." in (paths[2] / "report.html").read_text()


def test_only_what_was_chosen_otherwise_is_named(command, tmp_path):
    paths = [finished_run(tmp_path / name) for name in "abc"]
    config = json.loads((paths[1] / "config.json").read_text())
    config["settings"] |= {"clients": 7, "rounds": 2, "learning_rate": 1.0}
    (paths[1] / "config.json").write_text(json.dumps(config))
    message = refused(command(*paths, "--output", tmp_path / "compared"))
    assert "methods: clients is 2 in a, c and 7 in b. Compare" in message


def test_other_clips_are_named_and_not_paired(command, two_runs, tmp_path):
    folder = runfolder.RunFolder(two_runs[1])
    table = folder.read_table("predictions.csv")
    folder.write_table("predictions.csv", table := table[table["clip"] != table["clip"].iloc[0]])
    folder.write_table("summary.csv", results.summarise(results.score_repeats(table)))
    assert "the set of tested clips is 120 with" in refused(command(*two_runs, "--output", tmp_path / "compared"))
    _, out, _ = command(*two_runs, "--allow-different", "--output", tmp_path / "compared")
    assert "No paired differences between strong and weak: 2 tested clips are in one of the two only." in out
    pairs = pd.read_csv(tmp_path / "compared" / "differences.csv")
    assert (pairs["run"] == pairs["other_run"]).all()


def test_runs_of_one_name_are_told_apart(command, tmp_path):
    paths = [finished_run(tmp_path / who / "run") for who in ("anna", "ben")]
    status, out, _ = command(*paths, "--output", tmp_path / "compared")
    assert status == 0
    assert "anna" in out
    assert set(pd.read_csv(tmp_path / "compared" / "comparison.csv")["run"]) == set(map(str, paths))


@pytest.mark.parametrize("columns", [30, 60, 80, 200])
def test_no_terminal_is_too_narrow_for_a_score(command, two_runs, tmp_path, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = command(*two_runs, "--output", tmp_path / "compared")
    for name in ("comparison", "differences"):
        table = pd.read_csv(tmp_path / "compared" / f"{name}.csv").dropna(subset=["accuracy_low"])
        for low, high in zip(table["accuracy_low"], table["accuracy_high"], strict=True):
            _, interval = with_interval(0, low, high).split(" ", 1)
            assert interval in out


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
