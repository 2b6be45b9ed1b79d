"""Scores of anybody's predictions: the tables, the known protocol, the page and the command."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_runs import finished_run
from rich.console import Console
from sklearn import metrics as sklearn_metrics

from data.known_clips import COUNTS
from experiments import score as command
from experiments.inputs.predictions.read import read_predictions
from experiments.inputs.predictions.values import ClipPredictions
from experiments.pages import score as page
from experiments.results.clip_scores import ALL_DATABASES, MAJORITY, score
from experiments.results.known_protocol import ProtocolCheck, check_protocol
from experiments.run.folder import RunFolder
from experiments.run.lifecycle import exit_status

REAL = Path(__file__).parents[1].parent / "shared" / "annotations" / "ststnet_predictions_442.txt"
CLASSES = ("negative", "positive", "surprise")
KINDS = dict(zip(CLASSES, ("ne", "po", "sur"), strict=True))
DIGITS = {"negative": "1", "positive": "2", "surprise": "3"}


def composite(seed: int = 0) -> pd.DataFrame:
    """As many clips of each subject and class as in the composite; made-up predictions, two of three right."""
    spelt = {"smic": "{s}_{k}_{n:02d}", "casme2": "EP{n:02d}_{d}", "samm": "{s}_{d}_{n}"}
    rows = [
        {"dataset": database, "subject": subject, "label": label}
        | {"clip": spelt[database].format(s=subject, k=KINDS[label], d=DIGITS[label], n=number)}
        for database, subjects in COUNTS.items()
        for subject, counts in subjects.items()
        for label, count in counts.items()
        for number in range(1, count + 1)
    ]
    table, draw = pd.DataFrame(rows), np.random.default_rng(seed)
    guessed = draw.choice(CLASSES, len(table))
    return table.assign(pred=np.where(draw.random(len(table)) < 0.5, table["label"], guessed))


def of_samm(seed: int = 0) -> pd.DataFrame:
    table = composite(seed)
    return table[table["dataset"] == "samm"]


def read(tmp_path: Path, table: pd.DataFrame) -> ClipPredictions:
    table.to_csv(tmp_path / "of.csv", index=False)
    return read_predictions(tmp_path / "of.csv", {}, {})


def test_scores_agree_with_scikit_learn(tmp_path: Path) -> None:
    table = composite()
    scores = score(read(tmp_path, table))
    parts = {ALL_DATABASES: table} | dict(iter(table.groupby("dataset")))
    found = scores.databases[scores.databases["kind"] == "predicted"].set_index("database")
    assert set(found.index) == set(parts)
    for database, rows in parts.items():
        precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
            rows["label"], rows["pred"], average="macro"
        )
        expected = [f1, recall, (rows["label"] == rows["pred"]).mean(), precision]
        shown = found.loc[database, ["uf1", "uar", "accuracy", "macro_precision"]].to_numpy(float)
        np.testing.assert_allclose(shown, expected)
        assert found.loc[database, "num_clips"] == len(rows)
        assert found.loc[database, "uf1_low"] < f1 < found.loc[database, "uf1_high"]
    counts = sklearn_metrics.confusion_matrix(table["label"], table["pred"], labels=CLASSES)
    np.testing.assert_array_equal(scores.confusion[list(CLASSES)], counts)
    assert scores.subjects["num_clips"].sum() == 442
    assert scores.subjects["num_correct"].sum() == np.trace(counts)
    assert len(scores.subjects) == 68
    assert scores.databases.loc[scores.databases["algorithm"] == MAJORITY, "uf1"].round(4).tolist() == [0.2408]


@pytest.mark.skipif(not REAL.is_file(), reason="the published log is not here")
def test_the_published_log(tmp_path: Path) -> None:
    predictions = read_predictions(REAL, {}, {})
    pooled = score(predictions).databases.iloc[0]
    assert [round(pooled[metric], 4) for metric in ("uf1", "uar", "macro_precision")] == [0.7353, 0.7186, 0.7605]
    assert check_protocol(predictions) == ProtocolCheck(agrees=("the clips are the 442 of composite2019",))


@pytest.mark.slow
def test_repeats_are_averaged_and_methods_kept_apart(tmp_path: Path) -> None:
    tables = [of_samm(seed).assign(seed=seed, method=method) for method in "AB" for seed in (0, 1)]
    scores = score(read(tmp_path, pd.concat(tables))).databases.set_index(["algorithm", "database"])
    alone = [score(read(tmp_path, of_samm(seed))).databases.iloc[0]["uf1"] for seed in (0, 1)]
    assert scores.loc[("A", "all"), "uf1"] == pytest.approx(np.mean(alone))
    assert scores.loc[("A", "all"), "num_repeats"] == 2
    assert scores.loc[("B", "all"), "num_clips"] == 133


def test_without_subjects_there_are_scores_but_no_intervals(tmp_path: Path) -> None:
    predictions = read(tmp_path, composite()[["dataset", "label", "pred"]])
    databases = score(predictions).databases
    assert databases["uf1"].notna().all()
    assert databases["uf1_low"].isna().all()
    assert databases["num_subjects"].eq(0).all()
    assert predictions.cautions[0].startswith("the file names no subjects")


def test_subjects_of_two_databases_are_two_people(tmp_path: Path) -> None:
    rows = [(d, s, f"c{n}", n % 2, 0) for d in ("one", "two") for s in "12" for n in range(3)]
    table = pd.DataFrame(rows, columns=["database", "subject", "clip", "label", "pred"])
    assert score(read(tmp_path, table)).databases["num_subjects"].tolist() == [4, 2, 2, 4]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda table: table[table["clip"] != "s03_ne_20"], "not the 442 clips .*missing: smic s03_ne_20"),
        (lambda table: table[table["dataset"] != "samm"], "not the 442 clips .*missing: all of samm"),
        (
            lambda table: table.assign(label=table["label"].where(table["clip"] != "s01_ne_01", "positive")),
            "smic s01 s01_ne_01: negative, not positive",
        ),
        (lambda table: table.assign(clip="x" + table.index.astype(str)), "those of no known protocol"),
        (lambda table: table[["label", "pred"]][1:], "those of no known protocol"),
    ],
)
def test_clips_of_another_protocol_are_warned_of(tmp_path: Path, change, sentence: str) -> None:
    check = check_protocol(read(tmp_path, change(composite())))
    assert not check.agrees
    assert any(pd.Series(check.differs).str.contains(sentence)), check.differs


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (["clip", "subject", "dataset"], "the clips are the 442 of composite2019"),
        (["clip", "subject"], "the clips are the 442 of composite2019"),
        ([], "there are as many clips of each class as in composite2019; no clip is named"),
    ],
)
def test_clips_of_the_composite_are_known(tmp_path: Path, columns: list[str], sentence: str) -> None:
    assert check_protocol(read(tmp_path, composite()[[*columns, "label", "pred"]])) == ProtocolCheck((sentence,))


def test_one_database_of_the_composite_is_known_too(tmp_path: Path) -> None:
    check = check_protocol(read(tmp_path, of_samm()))
    assert check.agrees == ("the clips are the 133 of samm of composite2019",)


@pytest.mark.slow
def test_the_command_writes_tables_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = composite()
    table.rename(columns={"clip": "<b>clip</b>"}).to_csv(tmp_path / "of.csv", index=False)
    options = [str(tmp_path / "of.csv"), "--columns", "clip=<b>clip</b>", f"--output={tmp_path / 'run'}"]
    assert command.main(options) == 0
    shown = capsys.readouterr().out
    pooled = pd.read_csv(tmp_path / "run" / "scores.csv").iloc[0]
    assert f"{pooled['uf1']:.4f}".removeprefix("0") in shown
    assert "Protocol: the clips are the 442 of composite2019." in shown
    text = (tmp_path / "run" / "report.html").read_text()
    assert "<b>" not in text
    assert text.count("data:image/png") == 3
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"scores.csv", "classes.csv", "subjects.csv", "confusion.csv", "predictions.csv", "score.json"} < names
    again = read_predictions(tmp_path / "run", {}, {}).table
    assert again[["label", "predicted"]].to_numpy().tolist() == table[["label", "pred"]].to_numpy().tolist()


def test_a_run_of_ours_has_the_scores_of_its_summary(tmp_path: Path) -> None:
    predictions = read_predictions(finished_run(tmp_path / "run", algorithms=("FedAvg", "P-FedProx")), {}, {})
    assert predictions.synthetic
    assert predictions.name == "run"
    assert check_protocol(predictions) == ProtocolCheck()
    summary = pd.read_csv(tmp_path / "run" / "summary.csv").set_index("algorithm")
    found = score(predictions).databases.set_index("algorithm")
    for algorithm in ("FedAvg", "P-FedProx"):
        for metric in ("uf1", "uar", "accuracy"):
            assert found.loc[algorithm, metric] == pytest.approx(summary.loc[algorithm, metric])


def test_a_run_without_emotions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"it has no predictions\.csv; give the folder of a run that recognises emotions"
    ):
        read_predictions(tmp_path, {}, {})


def test_a_mistake_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "of.csv").write_text("clip,label\na,1\n")
    options = [str(tmp_path / "of.csv"), f"--output={tmp_path / 'run'}"]
    assert exit_status(lambda: command.main(options)) == 2
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr().err.count("Error: ") == 1


def test_several_methods_are_columns_of_every_table(tmp_path: Path) -> None:
    tables = [of_samm(seed).assign(model=f"[/b] model {seed}") for seed in (0, 1)]
    predictions = read(tmp_path, pd.concat(tables))
    scores, check = score(predictions), check_protocol(predictions)
    (tmp_path / "run").mkdir()
    console = Console(width=100, record=True, file=(tmp_path / "shown").open("w"))
    page.write(RunFolder(tmp_path / "run"), predictions, scores, check)
    page.show(RunFolder(tmp_path / "run"), predictions, scores, check, console)
    console.file.close()
    shown = (tmp_path / "shown").read_text()
    assert "[/b] model 1: all" in shown
    assert len(scores.classes) == 6
