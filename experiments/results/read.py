"""The reader of finished runs, of whatever command: for their reports, and to compare them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.results import clients, parts, privacy, schema
from experiments.results.damage import MEND, check_columns, check_predictions, check_summary
from experiments.results.measures import ACTION_UNITS, EMOTIONS, MEAN_AU_F1, Measure
from experiments.results.scores import METRICS, au_names, class_names
from experiments.results.sweeps import swept_settings
from experiments.run import folder as run_folder
from experiments.run.folder import RunFolder

RECOGNITION, DETECTION, COORDINATION = "emotions", "action units", "pairs of action units"
KINDS = {
    **dict.fromkeys(("fed", "mer", "ablate"), RECOGNITION),
    "pretrain": DETECTION,
    "coordination": COORDINATION,
}
"""What the runs of each experiment are about: only those of one kind have something to compare."""


@dataclass(frozen=True)
class FinishedRun:
    """Everything that a run folder says about its run.

    Attributes:
      label: what it is called.
      folder: where it is.
      config, environment, data: as config.json, environment.json and data.json.
      rows, splits, metrics: as the tables of these names.
      predictions: as predictions.csv; None where only action units are detected.
      au_predictions, summary, intervals, differences, au_scores: as the tables of these names.
      class_scores: as class_scores.csv; None where only action units are detected.
      part_scores: as part_scores.csv; None where no client, database or site has scores of its own.
      sweep: as sweep.csv; None where nothing was swept.
      clients: as clients.csv; None where there are no clients.
      privacy: as privacy.csv; None where nothing is private.
      action_units: of a pretraining, as action_units.csv: in how many examples each action unit is labelled and shown;
        else None.
    """

    label: str
    folder: RunFolder
    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    rows: pd.DataFrame
    splits: pd.DataFrame
    metrics: pd.DataFrame
    predictions: pd.DataFrame | None
    au_predictions: pd.DataFrame
    summary: pd.DataFrame
    intervals: pd.DataFrame
    differences: pd.DataFrame
    au_scores: pd.DataFrame
    class_scores: pd.DataFrame | None
    part_scores: pd.DataFrame | None
    sweep: pd.DataFrame | None
    clients: pd.DataFrame | None
    privacy: pd.DataFrame | None
    action_units: pd.DataFrame | None

    @property
    def path(self) -> Path:
        """Of the folder."""
        return self.folder.path

    @property
    def settings(self) -> dict[str, Any]:
        """Of the run, as config.json has them."""
        return dict(self.config["settings"])

    @property
    def synthetic(self) -> bool:
        """Whether some of the pictures are rendered."""
        return any(bool(one["synthetic"]) for one in self.data["databases"])

    @property
    def part(self) -> str:
        """What scores are averaged over: "client" or "fold"."""
        return str(self.data["part"])

    @property
    def unit(self) -> str:
        """What training advances by: "round" or "epoch"."""
        return str(self.data["unit"])

    @property
    def algorithms(self) -> list[str]:
        """Titles of the rows of the table that are trained."""
        return self.rows.loc[self.rows["algorithm"].isin(self.au_predictions["algorithm"]), "algorithm"].tolist()

    @property
    def num_repeats(self) -> int:
        """How often everything was repeated."""
        return int(self.au_predictions["repeat"].nunique())

    @property
    def num_done(self) -> int:
        """After how many rounds or epochs the scores were taken."""
        return int(self.metrics["round"].max()) if len(self.metrics) else 0

    @property
    def num_wanted(self) -> int | None:
        """How many rounds or epochs the settings ask for; None where config.json does not say."""
        name = f"{self.unit}s"
        if name in self.rows:
            return int(pd.to_numeric(self.rows[name]).max())
        wanted = self.settings.get(name, self.settings.get("pretraining", {}).get(name))
        return None if wanted is None else int(wanted)

    @property
    def progress(self) -> str:
        """How far an interrupted run got, for example "3 of 5 rounds"; empty for a run that is finished."""
        if self.num_wanted is not None and self.num_done < self.num_wanted:
            return f"{self.num_done} of {self.num_wanted} {self.unit}s"
        trained = self.au_predictions[["algorithm", "repeat"]].drop_duplicates()
        wanted = len(self.rows) * self.splits["repeat"].nunique()
        return f"{len(trained)} of {wanted} rows and repeats" if len(trained) < wanted else ""

    @property
    def metric_headings(self) -> dict[str, str]:
        """Metrics that are compared, and their headings."""
        if self.predictions is not None:
            return METRICS
        return {MEAN_AU_F1: "mean F1"} | {name: name for name in au_names(self.au_predictions)}

    @property
    def tests(self) -> list[tuple[Measure, pd.DataFrame]]:
        """Tables of predictions, each with what they are scored by."""
        emotions = [] if self.predictions is None else [(EMOTIONS, self.predictions)]
        return [*emotions, (ACTION_UNITS, self.au_predictions)]


def experiment_of(folder: RunFolder) -> str:
    """Name of the experiment that wrote a folder.

    Raises:
      ValueError: its config.json does not say.
    """
    config = folder.read_json("config.json")
    if not isinstance(config, dict) or not isinstance(config.get("settings"), dict) or "experiment" not in config:
        raise ValueError(f"{folder.path}/config.json names no experiment and its settings; restore it, or run again")
    return str(config["experiment"])


def read(folder: RunFolder, label: str = "") -> FinishedRun:
    """Read a run that has been concluded, perhaps before its last round.

    Args:
      folder: of the run.
      label: what it is called; by default the name of its folder.

    Raises:
      ValueError: a file is missing or broken, or the experiment has no such results; the sentence names it.
    """
    experiment = experiment_of(folder)
    if KINDS.get(experiment) not in (RECOGNITION, DETECTION):
        raise ValueError(f"{folder.path} is a run of experiments.{experiment}, which has no table of scores")
    detection = KINDS[experiment] == DETECTION
    facts: dict[str, Any] = {
        "config": folder.read_facts("config.json", "experiment", "command", "settings"),
        "environment": folder.read_facts("environment.json", *run_folder.ENVIRONMENT),
        "data": _read_data(folder),
    }
    names = ("rows", "splits", "metrics", "au_predictions", "summary", "intervals", "differences", "au_scores")
    tables: dict[str, Any] = {name: folder.read_table(f"{name}.csv") for name in names}
    for name in ("predictions", "class_scores"):
        tables[name] = None if detection else folder.read_table(f"{name}.csv")
    tables["part_scores"] = None if detection else _part_scores(folder, tables["predictions"], facts["data"])
    tables["action_units"] = folder.read_table("action_units.csv") if detection else None
    tables["clients"] = folder.read_table(clients.FILE) if folder.has(clients.FILE) else None
    tables["privacy"] = folder.read_table(privacy.FILE) if folder.has(privacy.FILE) else None
    check_columns(folder, tables)
    tables["sweep"] = folder.read_table("sweep.csv") if swept_settings(tables["rows"]) else None
    run = FinishedRun(label=label or folder.path.name, folder=folder, **facts, **tables)
    _check_damage(run)
    return run


def read_finished(folder: RunFolder, label: str) -> FinishedRun:
    """Read a run to compare it with others, and see that it is finished.

    Raises:
      ValueError, OSError: it is not finished, or a file of it is damaged; the sentence names it.
    """
    if not folder.has("summary.csv"):
        raise ValueError(f"{folder.path} is not finished: {how_to_finish(folder)}")
    try:
        run = read(folder, label)
        if run.progress:
            raise ValueError(f"{folder.path} is not finished ({run.progress}): {how_to_finish(folder)}")
        return run
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder.path}: its files are not those of a finished run ({error}); run it again") from None


def how_to_finish(folder: RunFolder) -> str:
    """What to do about a run that is not finished."""
    command = f"python -m experiments.{experiment_of(folder)} --resume={folder.path}"
    return f"let it end, go on with `{command}`, or leave it out"


def _part_scores(folder: RunFolder, predictions: pd.DataFrame, data: dict[str, Any]) -> pd.DataFrame | None:
    return folder.read_table(parts.FILE) if parts.parts_of(predictions, str(data["part"])) else None


def _read_data(folder: RunFolder) -> dict[str, Any]:
    data = folder.read_facts("data.json", *schema.RUN_FACTS)
    databases = data["databases"]
    for one in databases if isinstance(databases, list) else [databases]:
        if missing := [fact for fact in schema.FACTS if not isinstance(one, dict) or fact not in one]:
            raise ValueError(f"{folder.path}/data.json does not say {missing[0]} of a database; {MEND}.")
    if not isinstance(databases, list) or not databases:
        raise ValueError(f"{folder.path}/data.json does not name the run's databases; {MEND}.")
    return data


def _check_damage(run: FinishedRun) -> None:
    """See that the tables of a run are whole and fit together."""
    if run.predictions is not None:
        names = class_names(run.predictions)
        check_predictions(
            run.folder, "predictions.csv", run.predictions, names, own_classes="classes" in swept_settings(run.rows)
        )
    check_predictions(run.folder, "au_predictions.csv", run.au_predictions)
    for _, table in run.tests:
        check_summary(run.folder, run.summary, table["algorithm"].unique().tolist(), list(METRICS))
