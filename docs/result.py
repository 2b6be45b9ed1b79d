"""The result that the README shows: ``python docs/result.py RUN`` reads a finished run of the main command.

    python -m experiments.fed --clients=5 --output runs/main && python docs/result.py runs/main

writes docs/result.csv and docs/result.png and prints the lines of the README's table.
"""

import sys
from pathlib import Path

import pandas as pd

from experiments.pages.figures import png
from experiments.pages.interval_plots import score_plot, scores_with_bounds
from experiments.results.read import read
from experiments.run.folder import existing

HERE = Path(__file__).parent
TABLE, PICTURE = HERE / "result.csv", HERE / "result.png"
METRICS = {"uf1": "UF1 of seven emotions", "au_f1": "F1 of twelve action units"}
HEADING = "A federation of five clients (synthetic faces)"


def table_of(run: Path) -> pd.DataFrame:
    """Scores of the rows and baselines of a run, with sd over repeats and 95 % intervals by subject."""
    finished = read(existing(run))
    if not finished.synthetic:
        raise ValueError(f"{run}: the README shows synthetic faces only")
    bounded = scores_with_bounds(finished.summary, finished.intervals)
    columns = [f"{metric}{end}" for metric in METRICS for end in ("", "_sd", "_low", "_high")]
    return bounded[["algorithm", "kind", *columns]].round(6)


def lines(table: pd.DataFrame) -> list[str]:
    """The lines of the README's table."""
    return [
        f"| {row['algorithm']} | " + " | ".join(_cell(row, metric) for metric in METRICS) + " |"
        for _, row in table.iterrows()
    ]


def _cell(row: pd.Series, metric: str) -> str:
    if pd.isna(row[metric]):
        return ""
    if pd.isna(row[f"{metric}_low"]):
        return _short(row[metric])
    low, high = (_short(row[f"{metric}_{end}"]) for end in ("low", "high"))
    return f"{_short(row[metric])} ± {_short(row[f'{metric}_sd'])} [{low}, {high}]"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


if __name__ == "__main__":
    result = table_of(Path(sys.argv[1]))
    result.to_csv(TABLE, index=False, lineterminator="\n")
    PICTURE.write_bytes(png(score_plot(result.assign(run=""), METRICS, heading=HEADING)))
    print("\n".join(lines(result)))
