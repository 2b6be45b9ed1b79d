import base64
import io
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from made_up_runs import finished_pretraining, finished_run
from rich.console import Console

from experiments import report as report_command
from experiments.pages import report, sentences
from experiments.results import baselines
from experiments.results.read import read
from experiments.run.folder import RunFolder
from experiments.run.mistakes import exit_status

ALGORITHMS = ["FedAvg", "P-FedProx"]
PRIORS = ("AU detector, published prior", "AU detector, uniform prior")


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


def written(path):
    folder = RunFolder(path)
    return folder, report.write(folder).read_text()


def text_of(html):
    return " ".join(Page(html).text.split())


def printed(folder, width=80):
    output = io.StringIO()
    report.show(folder, Console(file=output, width=width))
    return output.getvalue()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return written(finished_run(tmp_path_factory.mktemp("runs") / "finished"))


@pytest.fixture(scope="module")
def pretraining(tmp_path_factory):
    return written(finished_pretraining(tmp_path_factory.mktemp("runs") / "pretraining", algorithms=PRIORS))


@pytest.mark.parametrize("which", ["finished", "pretraining"])
def test_the_page_is_one_well_formed_file(which, request):
    _, html = request.getfixturevalue(which)
    page = Page(html)
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert addresses
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import", html)


FIGURES = {
    "finished": {"scores", "differences", "curves", "confusion", "clients", "classes", "action_units"},
    "pretraining": {"scores", "differences", "curves", "action_units"},
}


@pytest.mark.parametrize(("which", "names"), FIGURES.items(), ids=FIGURES)
def test_figures_are_the_saved_ones(which, names, request):
    folder, html = request.getfixturevalue(which)
    saved = {file.stem: file.read_bytes() for file in (folder.path / "figures").glob("*.png")}
    assert set(saved) == names
    embedded = [base64.b64decode(code) for code in re.findall(r"base64,([^\"]+)", html)]
    assert sorted(embedded) == sorted(saved.values())
    assert all(image.startswith(b"\x89PNG") for image in embedded)


def test_texts_are_escaped(finished):
    _, html = finished
    assert "&lt;b&gt;onset == apex&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "fear &amp; co" in html


@pytest.mark.parametrize("which", ["finished", "pretraining"])
def test_every_title_says_that_the_data_are_synthetic(which, request):
    _, html = request.getfixturevalue(which)
    for heading in re.findall(r"<(?:title|h1)>(.*?)</", html):
        assert "synthetic data" in heading
    assert "<h2>Results (synthetic data)</h2>" in html


def test_the_results_table_holds_the_summary_and_the_intervals(finished):
    folder, html = finished
    summary = folder.read_table("summary.csv").set_index("algorithm")
    bounds = folder.read_table("intervals.csv").set_index(["algorithm", "metric"])
    for algorithm in (*ALGORITHMS, baselines.MAJORITY, baselines.CHANCE, baselines.AU_SET_ORACLE):
        row = re.search(rf"<tr[^>]*><td>{re.escape(algorithm)}</td>(.*?)</tr>", html, re.DOTALL).group(1)
        for column in ("uf1", "uar", "accuracy", "uf1_mean_over_clients", "uf1_worst_client"):
            assert f"<td>{summary.loc[algorithm, column]:.3f}".replace("<td>0.", "<td>.") in row
        for metric in ("uf1", "au_f1") if algorithm in ALGORITHMS else ():
            low, high = bounds.loc[(algorithm, metric), ["low", "high"]]
            assert f"[{low:.3f}, {high:.3f}]".replace("0.", ".") in row


@pytest.mark.slow
def test_the_page_is_made_again_from_the_folder_alone(finished, capsys):
    folder, html = finished
    (folder.path / "report.html").unlink()
    report_command.main(folder.path)
    assert capsys.readouterr().out.strip() == str(folder.path / "report.html")
    assert (folder.path / "report.html").read_text() == html


@pytest.mark.parametrize("missing", ["summary.csv", "data.json", "intervals.csv", "rows.csv"])
def test_a_missing_file_is_one_sentence_and_exit_status_2(finished, tmp_path, capsys, missing):
    folder, _ = finished
    for file in folder.path.glob("*.*"):
        if file.name != missing:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert exit_status(lambda: report_command.main(tmp_path)) == 2
    assert capsys.readouterr().err.strip().endswith(f"it has no {missing}; give the folder of a run.")


@pytest.mark.slow
def test_cross_validation_on_real_data_that_was_stopped(tmp_path):
    settings = {"epochs": 9, "split": "examples", "optimizer": {"lr": 0.1}}
    path = finished_run(tmp_path / "run", experiment="mer", synthetic=False, scored="validation", **settings)
    folder, html = written(path)
    text = text_of(html)
    assert "synthetic data" not in text.lower()
    assert "3 of 9 epochs were run" in text
    assert "in training and in test, as published" in text
    assert "optimizer.lr" in text
    assert "UF1 mean over folds" in text
    assert (folder.path / "figures" / "folds.png").exists()


def test_limits_say_what_one_repeat_is_worth(finished):
    folder, _ = finished
    run = read(folder)
    first = run.au_predictions[run.au_predictions["repeat"] == 0]
    one = type(run)(**{**vars(run), "au_predictions": first})
    assert any("confidence interval" in sentence for sentence in sentences.limits(run))
    assert any(sentence.startswith("One repeat") for sentence in sentences.limits(one))


def test_a_pretraining_says_what_its_scores_are(pretraining):
    folder, html = pretraining
    text = text_of(html)
    assert "all AUs everywhere" in text
    assert "Validation subjects were not trained on" in text
    assert "shown in training" in text
    assert "--au-init" in text
    assert "Who was validated on; all others of these databases were trained on" in text
    shown = printed(folder)
    assert "Validation F1 of each action unit (synthetic data)" in shown
    for name in ("mean", "AU1", "AU4", "AU12", "AU detector", "all AUs everywhere"):
        assert name in shown
    scores = folder.read_table("au_scores.csv")
    for value in scores["f1"]:
        assert f"{value:.3f}".removeprefix("0") in shown


@pytest.mark.slow
def test_the_page_and_the_terminal_say_which_rows_differ(tmp_path):
    folder, html = written(finished_run(tmp_path / "run", skill=[0.2, 0.95]))
    row = folder.read_table("differences.csv").iloc[0]
    expected = f"P-FedProx is above FedAvg in UF1 by {-row['uf1']:.3f}".replace("0.", ".")
    assert expected in text_of(html)
    assert expected in printed(folder)
    assert str(folder.path / "report.html") in printed(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.csv", "a,b\n1,2\n"),
        ("splits.csv", "repeat\n0\n"),
        ("class_scores.csv", "algorithm,class,f1,recall\n"),
        ("summary.csv", "algorithm,kind\nFedAvg,trained\n"),
        ("predictions.csv", "algorithm,repeat\n"),
    ],
)
def test_tables_of_something_else_are_one_sentence(tmp_path, capsys, name, content):
    folder = RunFolder(finished_run(tmp_path / "run"))
    folder.write_text(name, content)
    assert exit_status(lambda: report_command.main(folder.path)) == 2
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith(f"Error: {folder.path}")


def test_a_report_of_a_run_without_scores_is_refused(tmp_path, capsys):
    folder = RunFolder(finished_run(tmp_path / "run"))
    config = json.loads((folder.path / "config.json").read_text())
    folder.write_json("config.json", config | {"experiment": "explain"})
    assert exit_status(lambda: report_command.main(folder.path)) == 2
    assert "is a run of experiments.explain, which has no table of scores" in capsys.readouterr().err


@pytest.mark.slow
def test_many_rows_are_shown_by_some_of_each_kind(tmp_path):
    names = [f"FedProx, mu {number}" for number in range(9)] + ["FedAvg"]
    rows = pd.DataFrame({"algorithm": names, "name": ["fedprox"] * 9 + ["fedavg"], "prior": "p", "variant": "full"})
    folder = RunFolder(finished_run(tmp_path / "run", rows=rows))
    shown = report.first_rows(read(folder))
    assert shown == [*names[:7], "FedAvg"]
    assert "the first 8 of 10 rows" in written(folder.path)[1]
