"""What a pretraining leaves behind: predictions of the validation examples and AU scores, beside chance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.special import expit as sigmoid

from data.dataset import Dataset
from experiments import records, results, runfolder, tables
from experiments.runfolder import RunFolder
from fedpsyau_jax import metrics
from fedpsyau_jax.types import Examples, Float, Int

DETECTOR, EVERYWHERE = "AU detector", "all AUs everywhere"


def rows(
    repeat: int,
    examples: Examples,
    clip: np.ndarray,
    subject: np.ndarray,
    validation: Int[np.ndarray, "validation_examples"],
    logits: Float[np.ndarray, "validation_examples aus"],
    au_names: Sequence[str],
) -> pd.DataFrame:
    """Rows of au_predictions.csv of one repeat: of the detector, and of saying that every AU is there."""
    labels, mask = np.asarray(examples.au)[validation], np.asarray(examples.au_mask)[validation]
    who = (clip[validation], subject[validation], labels, mask)
    return pd.concat(
        [
            records.au_predictions({"algorithm": name, "repeat": repeat}, *who, probabilities, au_names)
            for name, probabilities in ((DETECTOR, sigmoid(logits)), (EVERYWHERE, np.ones_like(logits)))
        ]
    )


def write(folder: RunFolder, datasets: Sequence[Dataset], predictions: pd.DataFrame, console: Console) -> None:
    """Write what was seen and how well AUs are detected, and show it."""
    folder.write_table("au_predictions.csv", predictions)
    facts = [
        records.data_facts(
            one.name,
            one.subject.tolist(),
            np.asarray(one.examples.emotion),
            one.class_names,
            one.au_names,
            synthetic=one.synthetic,
            fingerprint=one.fingerprint,
            drops=one.metadata.get("dropped", []),
        )
        for one in datasets
    ]
    folder.write_json("data.json", {"databases": facts})
    folder.write_json("environment.json", runfolder.environment())
    scores, macro = results.score_aus(predictions), macro_scores(predictions)
    folder.write_table("au_scores.csv", scores)
    folder.write_table("summary.csv", macro)
    console.print(_table(scores, macro, synthetic=any(one.synthetic for one in datasets)))


def macro_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Mean F1 over the AUs that occur, of each algorithm: mean and sd over repeats."""
    found = [
        {"algorithm": algorithm, "au_f1": float(metrics.mean_over_defined(metrics.detection_f1(counts)))}
        for (algorithm, _), own in predictions.groupby(["algorithm", "repeat"], sort=False)
        for counts in [results.detections(own)]
    ]
    grouped = pd.DataFrame(found).groupby("algorithm", sort=False)["au_f1"]
    return pd.DataFrame(
        {"num_repeats": grouped.size(), "au_f1": grouped.mean(), "au_f1_sd": grouped.std()}
    ).reset_index()


def _table(scores: pd.DataFrame, macro: pd.DataFrame, *, synthetic: bool) -> Table:
    heading = tables.title("Validation F1 of each action unit", synthetic=synthetic)
    table = Table(title=heading, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("AU")
    algorithms = list(macro["algorithm"])
    for name in algorithms:
        table.add_column(name, justify="right")
    rows = [("mean", macro.set_index("algorithm").rename(columns={"au_f1": "f1", "au_f1_sd": "f1_sd"}))]
    rows += [(str(au), own.set_index("algorithm")) for au, own in scores.groupby("au", sort=False)]
    for au, own in rows:
        cells = [
            tables.Cell(*(tables.number(own.loc[name, column]) for column in ("f1", "f1_sd"))) for name in algorithms
        ]
        table.add_row(au, *map(str, cells), end_section=au == "mean")
    return table
