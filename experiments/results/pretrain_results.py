"""What a pretraining leaves behind: predictions of the validation examples and AU scores, beside chance."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import NamedTuple

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.special import expit as sigmoid

from experiments.inputs.configs import NetworkSettings
from experiments.inputs.corpus import Corpus
from experiments.inputs.detectors import detectors_from
from experiments.inputs.prior_axis import named_rows
from experiments.pages import pretraining as pretrain_report
from experiments.pages import tables
from experiments.results import schema as records
from experiments.results import scores as results
from experiments.run import arrays as kept
from experiments.run import starting
from experiments.run.folder import RunFolder
from fedpsyau_jax import metrics
from fedpsyau_jax.types import Float, Int

EVERYWHERE = "all AUs everywhere"
ANY_WIDTH = 10_000


class Division(NamedTuple):
    """Examples of one repeat."""

    train: Int[np.ndarray, "train_examples"]
    validation: Int[np.ndarray, "validation_examples"]


def begin(folder: RunFolder, corpus: Corpus, divisions: Sequence[Division]) -> None:
    """Write what the run depends on; in a resumed run, see that it is still the same.

    data.json comes last: once it is there, everything is.

    Raises:
      ValueError: the data or the divisions are not those of the interrupted run, or a file is damaged.
    """
    if folder.has("data.json"):
        for fingerprint, one in zip(_fingerprints(folder, len(corpus.datasets)), corpus.datasets, strict=True):
            starting.refuse_changed(folder, fingerprint, one)
    starting.write_unless_same(folder, "splits.csv", pd.DataFrame(_splits(corpus, divisions)))
    starting.write_unless_same(folder, "action_units.csv", pd.DataFrame(_annotated(corpus, divisions)))
    starting.write_environment(folder)
    folder.write_json("data.json", {"databases": [starting.facts_of(one) for one in corpus.datasets]})


def keep(
    folder: RunFolder,
    number: int,
    loss: Float[np.ndarray, "epochs"],
    logits: Float[np.ndarray, "validation_examples aus"],
) -> None:
    """Write what a trained detector is scored by; it is the one of prior number // repeats, repeat number % repeats."""
    kept.write(folder, _file(number), number, {"loss": loss, "logits": logits})


def are_kept(folder: RunFolder, num_detectors: int, network: NetworkSettings) -> bool:
    """Whether all detectors are trained and validated; a warning says if a file of them is damaged."""
    so = "all detectors are trained again, with the same numbers"
    if any(kept.found(folder, _file(number), number, so) is None for number in range(num_detectors)):
        return False
    try:
        detectors_from(folder.path, network)
    except ValueError:
        kept.warn(f"{folder.path} does not hold its detectors as they were saved; {so}")
        return False
    return True


def conclude(
    folder: RunFolder, corpus: Corpus, divisions: Sequence[Division], priors: Sequence[str], console: Console
) -> None:
    """Write how well AUs are detected, and show it.

    Args:
      folder: of the run.
      corpus: that it is about.
      divisions: [repeats].
      priors: their names.
      console: to show it on.

    Raises:
      ValueError: a file of a trained detector is damaged.
    """
    losses, rows = [], []
    titles = named_rows([pretrain_report.DETECTOR], priors)
    for repeat, division in enumerate(divisions):
        said = {}
        for place, title in enumerate(titles):
            number = place * len(divisions) + repeat
            arrays = kept.read(folder, _file(number), number)
            loss, said[title] = arrays["loss"], arrays["logits"]
            epochs = {"epoch": np.arange(1, len(loss) + 1), "repeat": repeat, "train_loss": loss}
            losses.append(pd.DataFrame({"algorithm": title, **epochs}))
        rows.append(prediction_rows(repeat, corpus, division.validation, said))
    predictions = pd.concat(rows, ignore_index=True)
    scores, macro = results.score_aus(predictions), macro_scores(predictions)
    folder.write_table("metrics.csv", pd.concat(losses, ignore_index=True))
    folder.write_table("au_predictions.csv", predictions)
    folder.write_table("au_scores.csv", scores)
    folder.write_table("summary.csv", macro)
    page = pretrain_report.write(folder)
    table = _table(scores, macro, synthetic=any(one.synthetic for one in corpus.datasets))
    least = console.measure(table, options=console.options.update_width(ANY_WIDTH)).minimum
    console.print(table, width=max(console.width, least), crop=False)
    console.print(f"Report: {page}", soft_wrap=True)


def prediction_rows(
    repeat: int,
    corpus: Corpus,
    validation: Int[np.ndarray, "validation_examples"],
    logits: Mapping[str, Float[np.ndarray, "validation_examples aus"]],
) -> pd.DataFrame:
    """Rows of au_predictions.csv of one repeat: of the detectors by name, and of saying that every AU is there."""
    labels, mask = (np.asarray(table)[validation] for table in (corpus.examples.au, corpus.examples.au_mask))
    said = {name: sigmoid(own) for name, own in logits.items()} | {EVERYWHERE: np.ones(labels.shape, np.float32)}
    who = (corpus.clip[validation], corpus.subject[validation], labels, mask)
    return pd.concat(
        [
            records.au_predictions({"algorithm": name, "repeat": repeat}, *who, probabilities, _au_names(corpus))
            for name, probabilities in said.items()
        ]
    )


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


def _fingerprints(folder: RunFolder, num_databases: int) -> list[str]:
    """Of the databases that a run began with."""
    try:
        found = [facts["fingerprint"] for facts in folder.read_json("data.json")["databases"]]
    except (KeyError, TypeError):
        found = []
    if len(found) != num_databases:
        raise ValueError(f"{folder.path}/data.json does not name the run's databases; restore it, or start a new run")
    return found


def _splits(corpus: Corpus, divisions: Sequence[Division]) -> list[dict[str, object]]:
    """Rows of splits.csv: who of each database is trained and validated on."""
    rows: list[dict[str, object]] = []
    for repeat, division in enumerate(divisions):
        for name in dict.fromkeys(corpus.database):
            own = {side: part[corpus.database[part] == name] for side, part in division._asdict().items()}
            sizes = {f"num_{side}": len(part) for side, part in own.items()}
            people = {f"{side}_subjects": " ".join(np.unique(corpus.subject[part])) for side, part in own.items()}
            rows.append({"repeat": repeat, "database": name, **sizes, **people})
    return rows


def _annotated(corpus: Corpus, divisions: Sequence[Division]) -> list[dict[str, object]]:
    """Rows of action_units.csv: in how many examples each AU is labelled, and in how many of these it is there."""
    shown, labelled = (np.asarray(table).astype(bool) for table in (corpus.examples.au, corpus.examples.au_mask))
    return [
        {"repeat": repeat, "au": name}
        | {f"{side}_labelled": int(labelled[part, place].sum()) for side, part in division._asdict().items()}
        | {f"{side}_shown": int((shown & labelled)[part, place].sum()) for side, part in division._asdict().items()}
        for repeat, division in enumerate(divisions)
        for place, name in enumerate(_au_names(corpus))
    ]


def _au_names(corpus: Corpus) -> tuple[str, ...]:
    return corpus.datasets[0].au_names


def _file(number: int) -> str:
    return f"finished/{number}.npz"


def _table(scores: pd.DataFrame, macro: pd.DataFrame, *, synthetic: bool) -> Table:
    heading = tables.title("Validation F1 of each action unit", synthetic=synthetic)
    table = Table(title=heading, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for number, name in enumerate(sheet := pretrain_report.f1_sheet(scores, macro)):
        lines = wrap(str(name), len("everywhere"))
        width = max(map(len, [*lines, *sheet[name]]))
        table.add_column("\n".join(lines), justify="right" if number else "left", min_width=width)
    for row in sheet.itertuples(index=False):
        table.add_row(*row, end_section=row[0] == pretrain_report.MEAN)
    return table
