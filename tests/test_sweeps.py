"""sweep.csv, its best row, and its figures."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import finished_run, rows_table

from experiments.pages import report
from experiments.pages import sweeps as pages
from experiments.results.read import read
from experiments.results.sweeps import best_row, validation_uf1
from experiments.run.folder import RunFolder

MUS = (0.001, 0.01, 0.1)
WEIGHTS = (0.5, 0.9)


def one_setting():
    titles = ["FedAvg", *(f"FedProx, mu {mu}" for mu in MUS)]
    return rows_table(titles, mu=[np.nan, *MUS])


def two_settings():
    own = [(mu, weight) for mu in MUS for weight in WEIGHTS]
    titles = ["FedAvg", *(f"FedProx, mu {mu}" for mu in MUS)]
    titles += [f"P-FedProx, mu {mu}, self-weight {weight}" for mu, weight in own]
    mus = [np.nan, *MUS, *(mu for mu, _ in own)]
    return rows_table(titles, mu=mus, **{"self-weight": [np.nan] * 4 + [weight for _, weight in own]})


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    rows = two_settings()
    skills = np.linspace(0.3, 0.9, len(rows)).tolist()
    return RunFolder(
        finished_run(tmp_path_factory.mktemp("runs") / "run", rows=rows, skill=skills, scored="validation")
    )


def test_each_row_has_its_settings_scores_and_intervals(swept):
    table = swept.read_table("sweep.csv").set_index("algorithm")
    summary = swept.read_table("summary.csv").set_index("algorithm")
    bounds = swept.read_table("intervals.csv").set_index(["algorithm", "metric"])
    assert table["mu"].isna().tolist() == [True] + [False] * 9
    assert table["self-weight"].isna().tolist() == [True] * 4 + [False] * 6
    for name, row in table.iterrows():
        assert row["uf1"] == pytest.approx(summary.loc[name, "uf1"])
        assert row["uf1_sd"] == pytest.approx(summary.loc[name, "uf1_sd"])
        assert (row["uf1_low"], row["uf1_high"]) == pytest.approx(tuple(bounds.loc[(name, "uf1"), ["low", "high"]]))
    assert table["validation_uf1"].notna().all()


def test_validation_is_that_of_the_last_round_or_of_the_best_one():
    keys = {"algorithm": "a", "fold": "pooled", "client": "pooled", "scored": "validation"}
    rows = [(1, 0, 0.5), (2, 0, 0.1), (1, 1, 0.2), (2, 1, 0.4)]
    metrics = pd.DataFrame([keys | {"round": round_, "repeat": repeat, "uf1": uf1} for round_, repeat, uf1 in rows])
    metrics = pd.concat([metrics, metrics.assign(fold="all", uf1=1.0)])
    assert validation_uf1(metrics, select=False)["a"] == pytest.approx((0.1 + 0.4) / 2)
    assert validation_uf1(metrics, select=True)["a"] == pytest.approx((0.5 + 0.4) / 2)


def test_rows_are_ranked_by_validation_where_there_is_one():
    table = pd.DataFrame({"algorithm": ["a", "b"], "uf1": [0.9, 0.1], "validation_uf1": [0.2, 0.3]})
    assert best_row(table) == ("b", True, 0.3)
    assert best_row(table.drop(columns="validation_uf1")) == ("a", False, 0.9)
    assert best_row(table[["algorithm"]]) is None


def test_without_a_sweep_there_is_no_table_of_it(tmp_path):
    assert not RunFolder(finished_run(tmp_path / "run")).has("sweep.csv")


@pytest.mark.slow
def test_one_setting_is_a_line_and_rows_that_do_not_depend_on_it_are_reference_lines(tmp_path):
    folder = RunFolder(finished_run(tmp_path / "run", rows=one_setting(), skill=0.5))
    sweep = folder.read_table("sweep.csv")
    figure = pages.draw(sweep, synthetic=True)["sweep"]
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert set(lines) == {"FedProx", "FedAvg"}
    np.testing.assert_allclose(lines["FedProx"].get_xdata(), MUS)
    np.testing.assert_allclose(lines["FedProx"].get_ydata(), sweep["uf1"][1:])
    assert set(lines["FedAvg"].get_ydata()) == {sweep["uf1"][0]}
    assert axes.get_xscale() == "log"
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(sweep["uf1_low"][1:].min())
    report.write(folder)
    assert (folder.path / "figures" / "sweep.png").exists()


def test_the_two_models_of_an_algorithm_are_two_lines():
    titles = [f"Ditto ({model}), ditto-pull {pull}" for model in ("personal", "global") for pull in MUS]
    rows = rows_table(titles, **{"ditto-pull": [*MUS, *MUS]}).assign(name="ditto")
    sweep = rows.assign(uf1=np.linspace(0.1, 0.6, 6), uf1_low=0.0, uf1_high=0.7)
    (axes,) = pages.draw(sweep, synthetic=True)["sweep"].axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == ["Ditto (personal)", "Ditto (global)"]
    np.testing.assert_allclose(lines["Ditto (global)"].get_xdata(), MUS)
    np.testing.assert_allclose(lines["Ditto (global)"].get_ydata(), sweep["uf1"][3:])


def test_two_settings_are_a_heat_map_for_each_algorithm(swept):
    sweep = swept.read_table("sweep.csv")
    figure = pages.draw(sweep, synthetic=False)["sweep"]
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    shapes = {name: axes.get_images()[0].get_array().shape for name, axes in panels.items()}
    assert shapes == {"FedAvg": (1, 1), "FedProx": (3, 1), "P-FedProx": (3, 2)}
    texts = [text.get_text() for text in panels["P-FedProx"].texts]
    last = sweep.iloc[-1]
    assert f"{last['uf1']:.3f}".removeprefix("0") in texts
    assert f"±{(last['uf1_high'] - last['uf1_low']) / 2:.3f}".replace("0.", ".") in texts
    assert [label.get_text() for label in panels["FedProx"].get_xticklabels()] == ["any"]


@pytest.mark.slow
def test_a_third_setting_has_a_panel_for_each_value(tmp_path):
    titles = [
        f"FedProx, mu {mu}, batch {batch}, seed-scale {scale}" for mu in MUS for batch in (8, 16) for scale in "ab"
    ]
    settings = [(mu, batch, scale) for mu in MUS for batch in (8, 16) for scale in "ab"]
    columns = dict(zip(("mu", "batch", "seed-scale"), map(list, zip(*settings, strict=True)), strict=True))
    folder = RunFolder(finished_run(tmp_path / "run", rows=rows_table(titles, **columns), skill=0.5))
    figure = pages.draw(folder.read_table("sweep.csv"), synthetic=False)["sweep"]
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [
        "FedProx\nseed-scale=a",
        "FedProx\nseed-scale=b",
    ]


@pytest.mark.slow
def test_the_page_shows_the_sweep(swept):
    html = report.write(swept).read_text()
    assert "<h2>Sweep (synthetic data)</h2>" in html
    sheet = pages.sheet(read(swept).sweep)
    assert list(sheet)[:4] == ["algorithm", "mu", "self-weight", "validation UF1"]
    assert sheet["mu"].tolist()[:2] == ["any", "0.001"]
