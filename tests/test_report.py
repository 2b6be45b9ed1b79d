import base64
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from experiments import report as report_command
from experiments.pages import report
from experiments.results import baselines
from experiments.results import schema as records
from experiments.results import scores as results
from experiments.run import commandline
from experiments.run import folder as runfolder

CLASSES = ["anger", "fear & co", "surprise"]
ALGORITHMS = ["FedAvg", "P-FedProx"]
NUM_REPEATS, NUM_CLIENTS, NUM_ROUNDS, NUM_TEST = 2, 2, 3, 12


class Page(HTMLParser):
    """Collects the tags and the text of a page, and checks that tags close in order."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.text += text


def made_up_tables(part):
    draw = np.random.default_rng(0)
    classes, aus, splits = [], [], []
    for repeat in range(NUM_REPEATS):
        for client in map(str, range(1, NUM_CLIENTS + 1)):
            labels = draw.integers(0, 3, NUM_TEST)
            present = draw.integers(0, 2, (NUM_TEST, 2))
            subjects = [f"00{client}"] * NUM_TEST
            clips = [f"{client}_{index}" for index in range(NUM_TEST)]
            where = {"repeat": repeat, part: client}
            splits.append(records.client_split(where, [f"00{client}"], labels, labels, CLASSES))
            for algorithm in ALGORITHMS:
                keys = {"algorithm": algorithm, **where}
                probabilities = draw.dirichlet(np.ones(3), NUM_TEST)
                classes.append(records.class_predictions(keys, clips, subjects, labels, probabilities, CLASSES))
                detected = draw.random((NUM_TEST, 2))
                ones = np.ones((NUM_TEST, 2))
                aus.append(records.au_predictions(keys, clips, subjects, present, ones, detected, ["AU1", "AU2"]))
    return pd.concat(classes), pd.concat(aus), pd.DataFrame(splits)


def made_up_rounds():
    shape = (len(ALGORITHMS), NUM_REPEATS, NUM_CLIENTS)
    ones, confusion = np.ones(shape), np.random.default_rng(1).integers(0, 5, (*shape, 3, 3))
    return pd.concat(
        records.round_metrics(
            round_,
            ALGORITHMS,
            ["1", "2"],
            train_loss_sum=ones / round_,
            num_train=ones,
            test_loss_sum=ones,
            confusion=confusion,
        )
        for round_ in range(1, NUM_ROUNDS + 1)
    )


def made_up_run(path, *, part="client", synthetic=True, settings=None):
    folder = runfolder.create(path)
    predictions, aus, splits = made_up_tables(part)
    trained_on = ("repeat",) if part == "client" else ("repeat", part)
    summary = results.summarise(
        [
            results.score_repeats(predictions, aus, part=part),
            baselines.majority(predictions, splits, part=part, trained_on=trained_on),
            baselines.chance(predictions, aus, part=part),
        ]
    )
    facts = records.data_facts(
        "made up",
        ["001", "002"],
        np.array([0, 1]),
        CLASSES,
        ["AU1", "AU2"],
        synthetic=synthetic,
        fingerprint="f1",
        drops=[{"clip": "x", "reason": "<b>onset == apex</b>"}],
    )
    config = {
        "experiment": "fed",
        "command": "python -m experiments.fed",
        "settings": settings or {"seed": 3},
    }
    folder.write_json("config.json", config)
    folder.write_json("environment.json", runfolder.environment())
    folder.write_json("data.json", facts)
    folder.write_table("clients.csv", splits)
    folder.write_table("metrics.csv", made_up_rounds())
    folder.write_table("predictions.csv", predictions)
    folder.write_table("au_predictions.csv", aus)
    folder.write_table("summary.csv", summary)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = made_up_run(tmp_path_factory.mktemp("runs") / "finished")
    return folder, report.write(folder).read_text()


def test_the_page_is_one_well_formed_file(finished):
    _, html = finished
    page = Page(html)
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert addresses
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import", html)


def test_figures_are_the_saved_ones(finished):
    folder, html = finished
    saved = {file.stem: file.read_bytes() for file in (folder.path / "figures").glob("*.png")}
    assert set(saved) == {"curves", "confusion", "clients", "classes", "action_units"}
    embedded = [base64.b64decode(code) for code in re.findall(r"base64,([^\"]+)", html)]
    assert sorted(embedded) == sorted(saved.values())
    assert all(image.startswith(b"\x89PNG") for image in embedded)


def test_texts_are_escaped(finished):
    _, html = finished
    assert "&lt;b&gt;onset == apex&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "fear &amp; co" in html


def test_every_title_says_that_the_data_are_synthetic(finished):
    _, html = finished
    for heading in re.findall(r"<(?:title|h1)>(.*?)</", html):
        assert "synthetic data" in heading
    assert "<h2>Results (synthetic data)</h2>" in html


def test_the_results_table_holds_the_summary(finished):
    folder, html = finished
    summary = folder.read_table("summary.csv").set_index("algorithm")
    for algorithm in (*ALGORITHMS, baselines.MAJORITY, baselines.CHANCE):
        row = re.search(rf"<tr[^>]*><td>{algorithm}</td>(.*?)</tr>", html, re.DOTALL).group(1)
        for column in ("uf1", "uar", "accuracy", "uf1_mean_over_clients", "uf1_worst_client"):
            assert f"<td>{summary.loc[algorithm, column]:.3f}".replace("<td>0.", "<td>.") in row


def test_the_page_is_made_again_from_the_folder_alone(finished, capsys):
    folder, html = finished
    (folder.path / "report.html").unlink()
    report_command.main(folder.path)
    assert capsys.readouterr().out.strip() == str(folder.path / "report.html")
    assert (folder.path / "report.html").read_text() == html


@pytest.mark.parametrize("missing", ["summary.csv", "data.json"])
def test_a_missing_file_is_one_sentence_and_exit_status_2(finished, tmp_path, capsys, missing):
    folder, _ = finished
    for file in folder.path.glob("*.*"):
        if file.name != missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert commandline.guarded(lambda: report_command.main(tmp_path)) == 2
    assert capsys.readouterr().err.strip().endswith(f"it has no {missing}; give the folder of a run.")


def test_cross_validation_on_real_data_that_was_stopped(tmp_path):
    settings = {"rounds": 9, "split": "examples", "optimizer": {"lr": 0.1}}
    html = report.write(made_up_run(tmp_path / "run", part="fold", synthetic=False, settings=settings)).read_text()
    text = " ".join(Page(html).text.split())
    assert "synthetic data" not in text.lower()
    assert "3 of 9 rounds were run" in text
    assert "in training and in test, as published" in text
    assert "optimizer.lr" in text
    assert "UF1 mean over folds" in text
    assert (tmp_path / "run" / "figures" / "folds.png").exists()


def test_limits_say_what_one_repeat_is_worth(finished):
    folder, _ = finished
    run = report.read(folder)
    one = report.Run(**{**vars(run), "predictions": run.predictions[run.predictions["repeat"] == 0]})
    assert any("confidence interval" in sentence for sentence in report.limits(run))
    assert any(sentence.startswith("One repeat") for sentence in report.limits(one))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.csv", "a,b\n1,2\n"),
        ("clients.csv", "repeat\n0\n"),
        ("class_scores.csv", "algorithm,class,f1,recall\n"),
    ],
)
def test_tables_of_something_else_are_one_sentence(tmp_path, capsys, name, content):
    folder = made_up_run(tmp_path / "run")
    folder.write_text(name, content)
    assert commandline.guarded(lambda: report_command.main(folder.path)) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"Error: {folder.path}: its files are not those of a finished run (")
