"""A run that pretrains AU detectors: prepare, train, save the detectors, score, report."""

import shutil

import jax
import numpy as np
import pandas as pd

from experiments.inputs.databases import folders_by_name, load_datasets
from experiments.inputs.detectors import Detector, detector_like, read_detectors, save_detectors
from experiments.inputs.settings import PretrainSettings
from experiments.inputs.splits import pretraining_splits
from experiments.pages import report
from experiments.results.conclude import conclude
from experiments.run import networks
from experiments.run.lifecycle import INTERRUPTED, Run
from experiments.run.mistakes import warn
from experiments.run.progress import Stages, progress
from experiments.trackers.named import trackers_of
from experiments.trackers.tracking import tracking
from experiments.training.budget import budget_of
from experiments.training.experiment import Results, run_trainings
from experiments.training.following import prepared_together, take_part
from experiments.training.prepare import Prepared, prepare_pretraining, record_inputs
from experiments.training.records import prediction_tables
from fedpsyau_jax.types import ClientState


def run_detection(settings: PretrainSettings, run: Run) -> int:
    """Train and score the detectors of all priors and repeats, or resume; save the first detector of each prior.

    Returns:
      Exit status: 0, or 130 after Ctrl-C.

    Raises:
      ValueError, OSError: the user's mistake, or training that diverged.
    """

    def prepared_here(stages: Stages) -> Prepared:
        copies = folders_by_name(run.manual_dir, settings.databases)
        datasets = load_datasets(settings.databases, run.data_dir, copies, stages)
        return prepare_pretraining(settings, datasets, lambda corpus: pretraining_splits(settings, corpus))

    if not run.processes.leads:
        return take_part(prepared_here, run.processes)
    with tracking(run.folder, trackers_of(run.folder, run.trackers)) as tracked:
        with progress() as stages:
            prepared = prepared_together(lambda: prepared_here(stages), run.processes)
            run.console.print(str(budget_of(prepared, run.folder, run.processes.number)), highlight=False)
            record_inputs(run.folder, prepared, {"action_units.csv": action_units(prepared)})
            discard_damaged(prepared, run)
            results = run_trainings(prepared, run.folder, stages, tracked, run.processes)
        if results.problem:
            raise ValueError(results.problem)
        if results.ended:
            finish(prepared, results, run)
        else:
            _say_how_far(prepared, results, run)
        tracked.finish("finished" if results.ended else "interrupted")
    return 0 if results.ended else INTERRUPTED


def finish(prepared: Prepared, results: Results, run: Run) -> None:
    """Save the detectors; write and show their scores."""
    keep_detectors(prepared, run)
    emotions, aus = prediction_tables(prepared, results.trained, {})
    conclude(run.folder, emotions, aus)
    report.write(run.folder)
    report.show(run.folder, run.console)
    if not prepared.settings.sweep:
        run.console.print(f"Use it with --au-init={run.folder.path}", soft_wrap=True, highlight=False)


def _say_how_far(prepared: Prepared, results: Results, run: Run) -> None:
    num_rounds = prepared.table.groups[0].recipe.rounds
    run.console.print(
        f"{results.rounds} of {num_rounds} epochs are trained; continue with --resume={run.folder.path}",
        soft_wrap=True,
        highlight=False,
    )


def action_units(prepared: Prepared) -> pd.DataFrame:
    """Content of action_units.csv: in how many examples each AU is labelled, and in how many of these it occurs."""
    (data,) = prepared.data
    examples = data.corpus.examples
    shown, labelled = (np.asarray(table).astype(bool) for table in (examples.au, examples.au_mask))
    return pd.DataFrame(
        [
            {"repeat": repeat, "au": name}
            | {f"{side}_labelled": int(labelled[rows, place].sum()) for side, rows in sides.items()}
            | {f"{side}_shown": int((shown & labelled)[rows, place].sum()) for side, rows in sides.items()}
            for repeat, (split,) in enumerate(data.repeats)
            for sides in [{"train": split.train, "validation": split.test}]
            for place, name in enumerate(prepared.au_names)
        ]
    )


def discard_damaged(prepared: Prepared, run: Run) -> None:
    """Discard the results of a finished run whose saved detectors are damaged, so that all are trained again."""
    if not run.folder.has("summary.csv") or prepared.settings.sweep:
        return
    try:
        read_detectors(run.folder.path, prepared.settings.network)
    except ValueError:
        warn(
            f"{run.folder.path} does not hold its detectors as they were saved; all detectors are trained again, with "
            "the same numbers"
        )
        shutil.rmtree(run.folder.path / "finished", ignore_errors=True)


def keep_detectors(prepared: Prepared, run: Run) -> None:
    """Save the first repeat's detector of each prior for ``--au-init``. A sweep saves none: no value is selected."""
    if not (run.folder.path / networks.FOLDER).is_dir():
        return
    if not prepared.settings.sweep:
        (data,) = prepared.data
        subjects = np.unique(data.corpus.subject).tolist()
        databases = [one.database for one in data.datasets]
        save_detectors(run.folder, trained_detectors(prepared, run), prepared.settings.network, subjects, databases)
    shutil.rmtree(run.folder.path / networks.FOLDER)


def trained_detectors(prepared: Prepared, run: Run) -> list[Detector]:
    """The detector of each prior's first repeat."""
    (group,) = prepared.table.groups
    like = detector_like(group.network)
    detectors = []
    for place, training in enumerate(group.trainings):
        if training.repeat == 0:
            client: ClientState = networks.read(run.folder, f"{group.name}-{place}", 0, like)
            detectors.append(Detector(client, jax.tree.map(np.asarray, training.priors)))
    return detectors
