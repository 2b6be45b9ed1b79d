"""A run that recognises emotions, for fed, mer and ablate: prepare, train, score, report."""

import numpy as np
import pandas as pd

from experiments.inputs.detectors import read_au_init, refuse_replaced
from experiments.inputs.settings import COMPOSITE, CrossValidationSettings, FedSettings, RecognitionSettings
from experiments.inputs.splits import cautions_of_clients
from experiments.pages import report
from experiments.results.clients import FILE, client_table
from experiments.results.conclude import conclude
from experiments.run import networks
from experiments.run.lifecycle import INTERRUPTED, Run
from experiments.run.progress import Stages, progress
from experiments.trackers.named import trackers_of
from experiments.trackers.tracking import tracking
from experiments.training.budget import budget_of
from experiments.training.data import RunData
from experiments.training.experiment import Results, run_trainings
from experiments.training.following import prepared_together, take_part
from experiments.training.prepare import Prepared, prepare, record_inputs
from experiments.training.records import prediction_tables
from fedpsyau_jax.splits import cautions


def run_recognition(settings: RecognitionSettings, run: Run) -> int:
    """Train and score, or resume, in the folder of a run.

    Returns:
      Exit status: 0, or 130 after Ctrl-C.

    Raises:
      ValueError, OSError: the user's mistake, or training that diverged; earlier results are written first.
    """
    detectors = read_au_init(settings)

    def prepared_here(stages: Stages) -> Prepared:
        return prepare(settings, detectors, run.data_dir, run.manual_dir, stages)

    if not run.processes.leads:
        return take_part(prepared_here, run.processes)
    refuse_replaced(run.folder, settings.au_init, detectors)
    with tracking(run.folder, trackers_of(run.folder, run.trackers)) as tracked:
        with progress() as stages:
            prepared = prepared_together(lambda: prepared_here(stages), run.processes)
            for sentence in split_warnings(prepared):
                run.console.print(f"Warning: {sentence}", style="yellow", highlight=False)
            run.console.print(str(budget_of(prepared, run.folder, run.processes.number)), highlight=False)
            record_inputs(run.folder, prepared)
            results = run_trainings(prepared, run.folder, stages, tracked, run.processes)
        finish(prepared, results, run)
        if results.problem:
            raise ValueError(results.problem)
        tracked.finish("finished" if results.ended else "interrupted")
    return 0 if results.ended else INTERRUPTED


def split_warnings(prepared: Prepared) -> list[str]:
    """Warnings about splits from which some class cannot be learned."""
    where = [(data, f"{data.title}: " if data.title else "") for data in prepared.data]
    found = [f"{title}{sentence}" for data, title in where for sentence in _split_warnings(data)]
    return [*protocol_warnings(prepared), *found]


def _split_warnings(data: RunData) -> list[str]:
    dataset = data.dataset
    if isinstance(data.settings, FedSettings):
        return cautions_of_clients(data.repeats, dataset)
    labels = np.asarray(dataset.examples.emotion)
    each = (cautions(one, dataset.subject, labels, dataset.class_names) for one in data.repeats)
    return list(dict.fromkeys(sentence for own in each for sentence in own))


def protocol_warnings(prepared: Prepared) -> list[str]:
    """How the clips differ from those of the composite, on which others report scores."""
    settings = prepared.settings
    if not isinstance(settings, CrossValidationSettings) or settings.protocol != COMPOSITE:
        return []
    from data.known_clips import clips_of, compare

    found = compare([clip for one in prepared.datasets for clip in clips_of(one)])
    return [f"{found.told()}. Published scores are of other clips."] if found.told() else []


def write_clients(prepared: Prepared, results: Results, run: Run) -> None:
    """Write how much the clients of a federation differ, their features by the first frozen detector."""
    if not isinstance(prepared.settings, FedSettings):
        return
    tables = [_clients(prepared, data, results) for data in prepared.data]
    run.folder.write_table(FILE, pd.concat(tables, ignore_index=True))


def _clients(prepared: Prepared, data: RunData, results: Results) -> pd.DataFrame:
    groups = [group.name for group in prepared.table.groups if prepared.data_of(group) is data]
    detected = next((results.au_probabilities[name] for name in groups if name in results.au_probabilities), None)
    corpus = data.corpus
    features = None if detected is None else detected[0][: len(corpus.subject)]
    labels = np.asarray(corpus.examples.emotion)
    table = client_table(data.repeats, corpus.subject, labels, len(data.class_names), features)
    return pd.concat([pd.DataFrame(dict(data.values), index=table.index), table], axis=1)


def finish(prepared: Prepared, results: Results, run: Run) -> None:
    """Write and show the scores of all rows and repeats whose splits all have results."""
    complete = results.complete(prepared)
    if complete:
        write_clients(prepared, results, run)
        emotions, aus = prediction_tables(prepared, complete, results.au_probabilities)
        conclude(run.folder, emotions, aus)
        report.write(run.folder)
        report.show(run.folder, run.console)
    table, num_rounds = prepared.table, prepared.table.groups[0].recipe.rounds
    if not results.ended:
        trained = f"{results.num_trained(table)} of {table.num_trained} trainings"
        done = f"{trained}, {results.rounds} of {num_rounds} {prepared.unit}s"
        run.console.print(f"Trained: {done}; continue with --resume={run.folder.path}", soft_wrap=True, highlight=False)
    elif (place := run.folder.path / networks.FOLDER).is_dir():
        size = networks.megabytes(run.folder)
        everything = isinstance(prepared.settings, RecognitionSettings) and prepared.settings.keep_networks
        which = "all networks" if everything else "the networks that fit into 60 MB"
        run.console.print(f"Kept for experiments.explain: {which}, {size:.0f} MB, in {place}", soft_wrap=True)
