"""Gains over local-only training and FedAvg by lab shift: the table, and its figure."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from made_up_runs import rows_table

from experiments.pages import personalisation
from experiments.pages.tables import with_interval
from experiments.results.differences import comparable_pairs
from experiments.results.gains import gains

SHIFTS, WEIGHTS, MUS = (0.0, 0.5, 1.0), (0.5, 0.9), (0.001, 0.01, 0.1, 1.0)


def score(row: pd.Series) -> float:
    """Local-only gains with the shift, FedAvg loses, others are between them by their self weight, or mu."""
    local, fedavg = 0.3 + 0.1 * row["lab-shift"], 0.4 - 0.1 * row["lab-shift"]
    weight = {"local": 1.0, "fedavg": 0.0}.get(row["name"], row.get("self-weight", row.get("mu")))
    return weight * local + (1 - weight) * fedavg


def swept_rows(**more: list[float]) -> pd.DataFrame:
    settings = [*product(["Local only", "FedAvg"], SHIFTS, [np.nan]), *product(["P-FedProx"], SHIFTS, WEIGHTS)]
    titles = [
        f"{name}, lab-shift {shift:g}" + ("" if np.isnan(w) else f", self-weight {w}") for name, shift, w in settings
    ]
    rows = rows_table(titles, **{"lab-shift": [s for _, s, _ in settings], "self-weight": [w for *_, w in settings]})
    return rows.assign(name=rows["name"].replace("local only", "local"), **more)


def differences_of(rows: pd.DataFrame) -> pd.DataFrame:
    by_title = rows.set_index("algorithm", drop=False)
    table = []
    for one, other in comparable_pairs(rows):
        if by_title.loc[one, "lab-shift"] == by_title.loc[other, "lab-shift"]:  # others have no clip in common
            value = score(by_title.loc[one]) - score(by_title.loc[other])
            table.append((one, other, value, value - 0.01, value + 0.03))
    return pd.DataFrame(table, columns=["algorithm", "other_algorithm", "uf1", "uf1_low", "uf1_high"])


def test_gains_are_paired_differences_in_the_direction_of_the_algorithm():
    rows = swept_rows()
    table = gains(rows, differences_of(rows))
    assert table["over"].tolist().count("Local only") == table["over"].tolist().count("FedAvg") == 6
    for _, row in table.iterrows():
        reference = row.copy()
        reference["name"] = {"Local only": "local", "FedAvg": "fedavg"}[row["over"]]
        assert row["uf1"] == pytest.approx(score(row) - score(reference))
        # The reference is the first of the pair, so that the interval is turned round.
        assert (row["uf1"] - row["uf1_low"], row["uf1_high"] - row["uf1"]) == pytest.approx((0.03, 0.01))


def test_a_gain_over_a_reference_with_other_settings_is_none():
    rows = swept_rows()
    first, last = rows["algorithm"].iloc[0], rows["algorithm"].iloc[-1]
    pair = pd.DataFrame([{"algorithm": first, "other_algorithm": last, "uf1": 0.1, "uf1_low": 0.0, "uf1_high": 0.2}])
    assert gains(rows, pair).empty


def test_a_panel_for_each_shift_shows_both_lines_over_the_self_weight():
    rows = swept_rows()
    figure = personalisation.draw(gains(rows, differences_of(rows)), synthetic=True)["personalisation"]
    assert [axes.get_title() for axes in figure.axes] == ["lab shift 0", "lab shift 0.5", "lab shift 1"]
    for axes, shift in zip(figure.axes, SHIFTS, strict=True):
        lines = {line.get_label(): line for line in axes.get_lines()}
        np.testing.assert_allclose(lines["minus FedAvg"].get_xdata(), WEIGHTS)
        slope = -0.1 + 0.2 * shift
        np.testing.assert_allclose(lines["minus FedAvg"].get_ydata(), np.array(WEIGHTS) * slope, atol=1e-12)
        np.testing.assert_allclose(lines["minus Local only"].get_ydata(), (np.array(WEIGHTS) - 1) * slope, atol=1e-12)
    assert "synthetic" in figure.get_suptitle()


def test_mu_by_lab_shift_has_a_line_of_panels_for_each_algorithm_and_a_row_for_each_gain():
    swept = [*product(["Local only", "FedAvg"], SHIFTS, [np.nan]), *product(["FedProx", "P-FedProx"], SHIFTS, MUS)]
    titles = [f"{name}, lab-shift {shift:g}" + ("" if np.isnan(mu) else f", mu {mu:g}") for name, shift, mu in swept]
    rows = rows_table(titles, **{"lab-shift": [s for _, s, _ in swept], "mu": [mu for *_, mu in swept]})
    rows = rows.assign(name=rows["name"].replace("local only", "local"))
    table = gains(rows, differences_of(rows))
    assert len(table) == 2 * 2 * len(SHIFTS) * len(MUS)
    figure = personalisation.draw(table, synthetic=True)["personalisation"]
    assert [axes.get_ylabel().partition("\n")[0] for axes in figure.axes[::3]] == ["P-FedProx", "FedProx"]
    assert len(figure.axes) == 2 * len(SHIFTS)
    for axes in figure.axes:
        assert (axes.get_xlabel(), axes.get_xscale()) == ("mu", "log")
        for line in axes.get_lines()[:2]:
            np.testing.assert_allclose(line.get_xdata(), MUS)
    sheet = personalisation.sheet(table)
    assert list(sheet) == ["algorithm", "UF1 minus Local only", "UF1 minus FedAvg"]
    assert len(sheet) == 2 * len(SHIFTS) * len(MUS)
    last = table[(table["algorithm"] == "P-FedProx, lab-shift 1, mu 1") & (table["over"] == "FedAvg")].iloc[0]
    assert sheet.iloc[-1, -1] == with_interval(*last[["uf1", "uf1_low", "uf1_high"]])


def test_without_another_setting_the_shift_is_the_axis():
    rows = swept_rows()
    rows = rows[rows["self-weight"].isna() | (rows["self-weight"] == 0.9)].drop(columns="self-weight")
    differences = differences_of(rows.assign(**{"self-weight": 0.9}))
    (axes,) = personalisation.draw(gains(rows, differences), synthetic=True)["personalisation"].axes
    line, *_ = axes.get_lines()
    np.testing.assert_allclose(line.get_xdata(), SHIFTS)


def test_no_figure_without_a_swept_shift_or_anything_to_compare():
    rows = swept_rows()
    for table in (
        gains(rows.drop(columns="lab-shift"), differences_of(rows)),
        gains(rows, differences_of(rows).iloc[:0]),
    ):
        assert table.empty
        assert personalisation.draw(table, synthetic=True) == {}
        assert personalisation.sheet(table).empty


def test_each_value_of_a_third_setting_and_each_model_has_panels_of_its_own():
    rows, mus = swept_rows(), (0.0, 0.1)
    personal = rows["self-weight"].notna()
    parts = [rows[~personal].assign(mu=np.nan)]
    parts += [_renamed(rows[personal], f", mu {mu}").assign(mu=mu) for mu in mus]
    parts += [_renamed(rows[personal & (rows["self-weight"] == 0.9)], " (global)", before=True).assign(name="ditto")]
    both = pd.concat(parts, ignore_index=True)
    figure = personalisation.draw(gains(both, differences_of(both)), synthetic=True)["personalisation"]
    labels = [axes.get_ylabel().partition("\n")[0] for axes in figure.axes if axes.get_ylabel()]
    assert labels == ["P-FedProx, mu 0", "P-FedProx, mu 0.1", "P-FedProx (global)"]
    assert len(figure.axes) == 3 + 3 + 1


def _renamed(rows: pd.DataFrame, text: str, *, before: bool = False) -> pd.DataFrame:
    """Titles with a text at their end, or after the name of the algorithm."""
    titles = [f"{name}{text}{comma}{end}" if before else f"{name}{comma}{end}{text}" for name, comma, end in
              (title.partition(",") for title in rows["algorithm"])]  # fmt: skip
    return rows.assign(algorithm=titles)
