"""Tables of experiments.explain: attention for each link and emotion, and scores at each prior ratio."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import jax
import numpy as np
import pandas as pd

from experiments.inputs.prior_axis import named_rows
from experiments.results import scores as results
from experiments.training.reevaluation import Reevaluated
from experiments.training.trained_networks import Networks, TrainedRun
from fedpsyau_jax.types import Float, Int

KINDS = ("learned", "prior", "mixed")


def sensitivity(run: TrainedRun, found: Mapping[float, Sequence[Reevaluated]]) -> pd.DataFrame:
    """Scores pooled over clients or folds.

    Args:
      run: whose networks were tested.
      found: by ratio, what each group of networks did; that of the run is among them.

    Returns:
      Columns ratio, algorithm, repeat, one for each metric, and ``changed``: the share of predicted classes that are
      others than at the ratio of the run.
    """
    predicted = {ratio: predictions(run, again) for ratio, again in found.items()}
    usual, _ = predicted[run.ratio]
    tables = []
    for ratio, (emotions, aus) in predicted.items():
        scores = results.score_repeats(emotions, aus, part=run.progress.part)
        pooled = scores.loc[scores["view"] == "pooled", ["algorithm", "repeat", *results.METRICS]]
        other = (emotions["predicted"] != usual["predicted"]).groupby([emotions["algorithm"], emotions["repeat"]])
        pooled = pooled.merge(other.mean().rename("changed").reset_index(), on=["algorithm", "repeat"])
        tables.append(pooled.assign(ratio=ratio)[["ratio", *pooled.columns]])
    return pd.concat(tables, ignore_index=True)


def predictions(run: TrainedRun, again: Sequence[Reevaluated]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows as in predictions.csv and au_predictions.csv of the run."""
    return run.predictions([jax.device_get(one.evaluation) for one in again])


def attention(run: TrainedRun, again: Sequence[Reevaluated]) -> pd.DataFrame:
    """Mean attention over the test examples of each emotion, of all clients or folds and repeats.

    Returns:
      Columns algorithm (with its prior, if the run has several), graph, layer, emotion, num_examples, receiver, sender,
      learned, prior, mixed, learned_sd (standard deviation of the means of single clients or folds); a row for each
      link that carries anything. A frozen detector is the same for all algorithms, and so are their rows: they are
      there once.
    """
    tables = []
    parts = [(run.groups[0], again[0])] if run.frozen else zip(run.groups, again, strict=True)
    for group, one in parts:
        titles = named_rows([run.frozen], run.network.prior) if run.frozen else group.titles
        counts = _num_examples(run, group)
        for row, title in enumerate(titles):
            for graph, layers in one.attention.items():
                for number, layer in enumerate(layers, 1):
                    keys = {"algorithm": title, "graph": graph, "layer": number}
                    sums = {kind: np.concatenate(getattr(layer, kind)[row]) for kind in KINDS}
                    tables.append(_links(run, keys, sums, counts))
    return pd.concat(tables, ignore_index=True)


def facts(run: TrainedRun, difference: float) -> dict[str, Any]:
    """Content of data.json: which run, and how exactly its predictions came out again."""
    return {
        **{name: run.folder.read_json("data.json")[name] for name in ("name", "synthetic", "fingerprint")},
        "run": {
            "command": run.folder.read_json("config.json")["command"],
            **asdict(run.progress),
            "frozen": run.frozen is not None,
            "prior_ratio": run.ratio,
            "beta": run.network.architecture().beta,
        },
        "class_names": list(run.dataset.class_names),
        "au_names": list(run.dataset.au_names),
        "largest_difference": difference,
    }


def _num_examples(run: TrainedRun, group: Networks) -> Int[np.ndarray, "networks classes"]:
    """Test examples of each emotion, of every client or fold and repeat."""
    labels, num_classes = np.asarray(run.dataset.examples.emotion), len(run.dataset.class_names)
    return np.array([np.bincount(labels[own], minlength=num_classes) for parts in group.tested for own in parts])


def _links(
    run: TrainedRun,
    keys: Mapping[str, Any],
    sums: Mapping[str, np.ndarray],
    counts: Int[np.ndarray, "networks classes"],
) -> pd.DataFrame:
    """The links of one graph and layer; sums over test examples [networks, classes, aus, aus]."""
    num_aus = sums["learned"].shape[-1]
    names = run.dataset.au_names[-num_aus:] if keys["graph"] == "lower" else run.dataset.au_names[:num_aus]
    total = counts.sum(axis=0)
    tested = np.flatnonzero(total)
    values = {kind: own.sum(axis=0)[tested] / total[tested, None, None] for kind, own in sums.items()}
    values["learned_sd"] = spread(sums["learned"], counts)[tested]
    emotion, receiver, sender = np.nonzero((values["learned"] > 0) | (values["prior"] > 0))
    columns = {
        **keys,
        "emotion": np.array(run.dataset.class_names, object)[tested[emotion]],
        "num_examples": total[tested[emotion]],
        "receiver": np.array(names, object)[receiver],
        "sender": np.array(names, object)[sender],
    }
    return pd.DataFrame(columns | {kind: own[emotion, receiver, sender] for kind, own in values.items()})


def spread(
    sums: Float[np.ndarray, "networks classes aus aus"], counts: Int[np.ndarray, "networks classes"]
) -> Float[np.ndarray, "classes aus aus"]:
    """Standard deviation of the means of those networks that have test examples of a class.

    Args:
      sums: over the test examples of each network and class.
      counts: how many these are.

    Returns:
      NaN where fewer than two networks have any.

    >>> spread(np.array([2.0, 3.0, 0.0]).reshape(3, 1, 1, 1), np.array([[2], [1], [0]])).round(3).item()
    1.414
    """
    weights = counts[..., None, None]
    number = (weights > 0).sum(axis=0)
    means = sums / np.maximum(weights, 1)
    deviations = np.where(weights > 0, means - means.sum(axis=0) / np.maximum(number, 1), 0)
    variance = (deviations**2).sum(axis=0) / np.maximum(number - 1, 1)
    return np.where(number > 1, np.sqrt(variance), np.nan)
