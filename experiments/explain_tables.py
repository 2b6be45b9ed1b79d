"""Tables of experiments.explain: attention for each link and emotion, and scores at each prior ratio."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments import comparison, results
from experiments.prior_axis import named_rows
from experiments.reevaluation import Reevaluated
from experiments.trained_networks import TrainedRun

KINDS = ("learned", "prior", "mixed")
EVERY_ALGORITHM = "every algorithm"


def sensitivity(run: TrainedRun, found: Mapping[float, Sequence[Reevaluated]]) -> pd.DataFrame:
    """Scores pooled over clients.

    Args:
      run: whose networks were tested.
      found: by ratio, what each federation's networks did; that of the run is among them.

    Returns:
      Columns ratio, algorithm, repeat, one for each metric, and ``changed``: the share of predicted classes that are
      others than at the ratio of the run.
    """
    predicted = {ratio: predictions(run, again) for ratio, again in found.items()}
    usual, _ = predicted[run.settings.network.prior_ratio]
    tables = []
    for ratio, (emotions, aus) in predicted.items():
        scores = results.score_repeats(emotions, aus)
        pooled = scores.loc[scores["view"] == "pooled", ["algorithm", "repeat", *results.METRICS]]
        other = (emotions["predicted"] != usual["predicted"]).groupby([emotions["algorithm"], emotions["repeat"]])
        pooled = pooled.merge(other.mean().rename("changed").reset_index(), on=["algorithm", "repeat"])
        tables.append(pooled.assign(ratio=ratio)[["ratio", *pooled.columns]])
    return pd.concat(tables, ignore_index=True)


def predictions(run: TrainedRun, again: Sequence[Reevaluated]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows as in predictions.csv and au_predictions.csv of the run."""
    experiment = comparison.Experiment(run.settings, run.folder, run.dataset, run.federations)
    nobody = np.empty((0, len(run.dataset.au_names)))
    parts = [
        comparison.predictions(experiment, federation, jax.device_get(one.evaluation), nobody)
        for federation, one in zip(run.federations, again, strict=True)
    ]
    emotions, aus = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    return emotions, aus


def attention(run: TrainedRun, again: Sequence[Reevaluated]) -> pd.DataFrame:
    """Mean attention over the test examples of each emotion, of all clients and repeats.

    Returns:
      Columns algorithm (with its prior, if the run has several), graph, layer, emotion, num_examples, receiver, sender,
      learned, prior, mixed; a row for each link that carries anything. A frozen detector is the same for all
      algorithms, and so are their rows: they are there once.
    """
    tables = []
    parts = zip(run.federations, again, strict=True) if run.settings.train_au else [(run.federations[0], again[0])]
    for federation, one in parts:
        titles = federation.titles if run.settings.train_au else named_rows([EVERY_ALGORITHM], federation.priors)
        counts = _num_examples(run, federation.splits)
        for row, title in enumerate(titles):
            for graph, layers in one.attention.items():
                for number, layer in enumerate(layers, 1):
                    keys = {"algorithm": title, "graph": graph, "layer": number}
                    sums = {kind: getattr(layer, kind)[row].sum(axis=(0, 1)) for kind in KINDS}
                    tables.append(_links(run, keys, sums, counts))
    return pd.concat(tables, ignore_index=True)


def facts(run: TrainedRun, difference: float) -> dict[str, Any]:
    """Content of data.json: which run, and how exactly its predictions came out again."""
    earlier, architecture = run.folder.read_json("config.json"), run.settings.network.architecture()
    return {
        **{name: run.folder.read_json("data.json")[name] for name in ("name", "synthetic", "fingerprint")},
        "run": {
            "command": earlier["command"],
            "rounds": run.rounds,
            "wanted_rounds": run.settings.rounds,
            "repeats": run.settings.repeats,
            "train_au": run.settings.train_au,
            "prior_ratio": run.settings.network.prior_ratio,
            "beta": architecture.beta,
        },
        "class_names": list(run.dataset.class_names),
        "au_names": list(run.dataset.au_names),
        "largest_difference": difference,
    }


def _num_examples(run: TrainedRun, splits: Sequence[Sequence[Any]]) -> np.ndarray:
    tested = np.concatenate([client.test for clients in splits for client in clients])
    return np.bincount(np.asarray(run.dataset.examples.emotion)[tested], minlength=len(run.dataset.class_names))


def _links(
    run: TrainedRun, keys: Mapping[str, Any], sums: Mapping[str, np.ndarray], counts: np.ndarray
) -> pd.DataFrame:
    """The links of one graph and layer; sums [classes, aus, aus]."""
    num_aus = sums["learned"].shape[-1]
    names = run.dataset.au_names[-num_aus:] if keys["graph"] == "lower" else run.dataset.au_names[:num_aus]
    tested = np.flatnonzero(counts)
    means = {kind: values[tested] / counts[tested, None, None] for kind, values in sums.items()}
    emotion, receiver, sender = np.nonzero((means["learned"] > 0) | (means["prior"] > 0))
    columns = {
        **keys,
        "emotion": np.array(run.dataset.class_names, object)[tested[emotion]],
        "num_examples": counts[tested[emotion]],
        "receiver": np.array(names, object)[receiver],
        "sender": np.array(names, object)[sender],
    }
    return pd.DataFrame(columns | {kind: values[emotion, receiver, sender] for kind, values in means.items()})
