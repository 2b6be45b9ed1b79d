"""How the networks of a run use their prior: read the run, test its networks again, write tables and a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from rich.console import Console
from scipy.special import expit as sigmoid

from data.dataset import Dataset
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import AblateSettings
from experiments.inputs.sweep import points
from experiments.pages import explain as page
from experiments.results import attention as tables
from experiments.results.attention import KINDS, Predictions
from experiments.run.environment import environment
from experiments.run.folder import RunFolder
from experiments.run.progress import Stages, progress
from experiments.training.attending import Shape, has_attention, last_ratio, shapes_of
from experiments.training.records import au_rows, emotion_rows, emotion_table, tests_of
from experiments.training.reevaluation import Reevaluated, reevaluation
from experiments.training.restore import KeptNetwork, Restored, refuse_unfinished, restore, settings_of
from fedpsyau_jax.types import Int

MOST_DIFFERENT = 0.01
"""Largest difference of a probability that rounding can cause when a test is repeated."""
KEYS = ["algorithm", "repeat", "fold", "client", "clip"]
Again = Sequence[tuple[Shape, Reevaluated]]


def check(folder: RunFolder) -> None:
    """Refuse runs that cannot be explained, before anything is written.

    Raises:
      ValueError: what is wrong, in one sentence.
    """
    settings = settings_of(folder)
    if isinstance(settings, AblateSettings):
        variants, option = list(settings.variants), "--variants "
    else:
        variants = list(dict.fromkeys(point.network.variant for _, point in points(settings)))
        option = "--network.variant="
    if not any(has_attention(NetworkSettings(variant=variant)) for variant in variants):
        has = "which has" if len(variants) == 1 else "which have"
        raise ValueError(
            f"{folder.path} was run with {option}{' '.join(variants)}, {has} no graph attention: no prior acts in it, "
            "and there is nothing to show"
        )
    refuse_unfinished(folder)


def explain(earlier: RunFolder, ratios: Sequence[float], folder: RunFolder, data_dir: Path | None) -> None:
    """Test the networks of a run again at these prior ratios, and write the results.

    Args:
      earlier: folder of the run.
      ratios: in [0, 1]; that of the run is added.
      folder: for the results.
      data_dir: folder of the run's databases.

    Raises:
      ValueError, OSError: the run, its data or its networks are missing or have changed.
    """
    with progress() as stages:
        with stages.stage("reading the run"):
            restored = restore(earlier, data_dir, stages)
        shapes = _shapes(restored)
        run_ratio = own_ratio(restored, shapes)
        all_ratios = sorted({*map(float, ratios), run_ratio})
        results = dict(zip(all_ratios, evaluate_ratios(restored, shapes, all_ratios, stages), strict=True))
    predicted = {ratio: predictions(restored, again) for ratio, again in results.items()}
    difference = check_reproduced(restored, predicted[run_ratio])
    part = restored.prepared.part
    folder.write_table("sensitivity.csv", tables.sensitivity(predicted, run_ratio, part))
    folder.write_table("attention.csv", attention(restored, results[run_ratio]))
    folder.write_table("networks.csv", networks_table(restored))
    folder.write_json("data.json", facts(restored, shapes, run_ratio, difference))
    folder.write_json("environment.json", environment())
    written = page.write(folder)
    page.show(folder, written, Console())


def own_ratio(restored: Restored, shapes: Sequence[Shape]) -> float:
    """The prior ratio that the networks of a run were tested with.

    Raises:
      ValueError: rows of the table have different ones.
    """
    shown = {shape.network.variant for shape in shapes}
    run_ratios = {
        last_ratio(group, training)
        for group in restored.prepared.table.groups
        if group.network.variant in shown
        for training in group.trainings
    }
    if len(run_ratios) > 1:
        values = ", ".join(f"{ratio:.3g}" for ratio in sorted(run_ratios))
        raise ValueError(
            f"the rows of {restored.folder.path} have different prior ratios ({values}), and all networks are tested "
            "at one: give a run without prior-ratio in its --sweep"
        )
    return run_ratios.pop()


def evaluate_ratios(
    restored: Restored, shapes: Sequence[Shape], ratios: Sequence[float], stages: Stages
) -> list[list[tuple[Shape, Reevaluated]]]:
    """Outputs of the networks of each shape at each of these prior ratios; the first takes longest, as it compiles."""
    results: list[list[tuple[Shape, Reevaluated]]] = [[] for _ in ratios]
    with stages.stage("testing again", total=len(ratios) * len(shapes), unit="ratio") as stage:
        for shape in shapes:
            program = reevaluation(restored, shape)
            for place, ratio in enumerate(ratios):
                results[place].append((shape, jax.device_get(program(ratio))))
                stage.advance()
    return results


def predictions(restored: Restored, again: Again) -> Predictions:
    """Rows of predictions.csv and au_predictions.csv of the kept networks, in the order of the table's rows."""
    prepared = restored.prepared
    order = {row.title: place for place, row in enumerate(prepared.table.rows)}
    parts: list[tuple[str, pd.DataFrame, pd.DataFrame]] = []
    for network, logits in _logits(again):
        for keys, test, part_logits in tests_of(prepared, network.training, network.client, logits):
            data = prepared.data_of(network.training)
            of_emotions = emotion_rows(data, keys, test, part_logits["emotion"])
            parts.append((keys["algorithm"], of_emotions, au_rows(data, keys, test, sigmoid(part_logits["au"]))))
    parts.sort(key=lambda part: order[part[0]])
    return (
        emotion_table(prepared, [emotions for _, emotions, _ in parts]),
        pd.concat([aus for _, _, aus in parts], ignore_index=True),
    )


def check_reproduced(restored: Restored, again: Predictions) -> float:
    """Check that the networks reproduce the run's predictions at the run's prior ratio.

    Returns:
      The largest difference of a probability.

    Raises:
      ValueError: they do not, so the networks, their detector or their prior are not those of the run.
    """
    now, before, path = again[0].set_index(KEYS), restored.run.predictions, restored.folder.path
    assert before is not None
    places = pd.MultiIndex.from_frame(before[KEYS]).get_indexer(now.index)
    if (places < 0).any():
        raise ValueError(
            f"{path / 'predictions.csv'} is not about the rows and clips of its config.json; restore it, or run again"
        )
    columns = [name for name in now if str(name).startswith("p_")]
    probabilities, earlier = now[columns].to_numpy(), before[columns].to_numpy()[places]
    without_class = np.isnan(probabilities) & np.isnan(earlier)
    difference = float(np.abs(np.where(without_class, 0, probabilities - earlier)).max())
    if not difference <= MOST_DIFFERENT:
        how = "some are undefined" if np.isnan(difference) else f"a probability differs by {difference:.2g}"
        raise ValueError(
            f"the networks of {path} do not give its predictions any more: {how}; use the versions and the kind of "
            "device of its environment.json, and the same prior"
        )
    return difference


def attention(restored: Restored, again: Again) -> pd.DataFrame:
    """Content of attention.csv: mean attention over the test examples of each emotion.

    Returns:
      Columns as ``results.attention.attention_rows`` has them. A frozen detector is the same for all algorithms, so
      its rows are listed once, for all test examples. Otherwise rows cover the test examples of the kept networks.
    """
    rows = []
    for shape, one in again:
        dataset = shape.data.dataset
        for title in dict.fromkeys(part.title for part in shape.parts):
            places = [place for place, part in enumerate(shape.parts) if part.title == title]
            counts = _num_examples(dataset, [shape.parts[place].examples for place in places])
            for graph, layers in one.attention.items():
                for number, layer in enumerate(layers, 1):
                    sums = {kind: np.asarray(getattr(layer, kind))[places] for kind in KINDS}
                    num_aus = sums["learned"].shape[-1]
                    names = dataset.au_names[-num_aus:] if graph == "lower" else dataset.au_names[:num_aus]
                    keys = {"algorithm": title, "graph": graph, "layer": number}
                    rows.append(tables.attention_rows(keys, sums, counts, dataset.class_names, names))
    return pd.concat(rows, ignore_index=True)


def networks_table(restored: Restored) -> pd.DataFrame:
    """Content of networks.csv: how many networks of each row with graph attention were trained, and are kept."""
    counts: dict[str, list[int]] = {}
    with_attention = {row.title for row in restored.prepared.table.rows if has_attention(row.settings.network)}
    for training in restored.prepared.table.trainings:
        if training.row in with_attention:
            counts.setdefault(training.row, [0, 0])[1] += len(training.split.clients)
    for network in restored.networks:
        if network.training.row in with_attention:
            counts[network.training.row][0] += 1
    return pd.DataFrame(
        [(title, *numbers) for title, numbers in counts.items()], columns=["algorithm", "kept", "trained"]
    )


def facts(restored: Restored, shapes: Sequence[Shape], ratio: float, difference: float) -> dict[str, Any]:
    """Content of data.json: which run, and how closely its predictions were reproduced."""
    run, prepared = restored.run, restored.prepared
    first = prepared.data[0].repeats[0]
    about: Mapping[str, Any] = {
        "command": run.config["command"],
        "part": prepared.part,
        "unit": prepared.unit,
        "parts": len(first) if prepared.part == "fold" else len(first[0].clients),
        "done": run.num_done,
        "repeats": restored.settings.repeats,
        "decayed": restored.settings.prior_schedule == "decay",
        "frozen": restored.settings.au_detector == "frozen",
        "prior_ratio": ratio,
        "betas": {shape.network.variant: shape.network.architecture().beta for shape in shapes},
        "without_attention": [row.title for row in prepared.table.rows if not has_attention(row.settings.network)],
    }
    return {
        "name": " + ".join(dict.fromkeys(one["name"] for one in run.data["databases"])),
        "synthetic": run.synthetic,
        "fingerprint": " + ".join(dict.fromkeys(data.dataset.fingerprint for data in prepared.data)),
        "run": about,
        "class_names": prepared.class_names,
        "au_names": list(prepared.au_names),
        "largest_difference": difference,
    }


def _shapes(restored: Restored) -> list[Shape]:
    shapes = shapes_of(restored)
    if not any(shape.networks for shape in shapes):
        raise ValueError(
            f"{restored.folder.path} kept no network with graph attention: run it again with --keep-networks, or name "
            "a row that has some first"
        )
    return shapes


def _logits(again: Again) -> list[tuple[KeptNetwork, dict[str, np.ndarray]]]:
    """Kept networks with the logits of their test examples."""
    return [
        (network, {name: np.asarray(values)[place, : len(network.test)] for name, values in one.logits.items()})
        for shape, one in again
        for place, network in enumerate(shape.networks)
    ]


def _num_examples(dataset: Dataset, parts: Sequence[np.ndarray]) -> Int[np.ndarray, "parts classes"]:
    """Examples of each emotion in each part."""
    labels, num_classes = np.asarray(dataset.examples.emotion), len(dataset.class_names)
    return np.array([np.bincount(labels[own], minlength=num_classes) for own in parts])
