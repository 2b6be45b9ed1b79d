"""Run folders of made-up predictions, as the commands leave them, without any training."""

import pickle
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from experiments.results import schema
from experiments.results.conclude import conclude
from experiments.run import folder as run_folder
from experiments.run.environment import environment
from experiments.run.folder import RunFolder

CLASSES = ["anger", "fear & co", "surprise"]
AUS = ["AU1", "AU4", "AU12"]
NUM_SUBJECTS, CLIPS_EACH, NUM_PARTS, NUM_REPEATS, NUM_ROUNDS = 10, 6, 2, 2, 3
SUBJECTS = [f"{person:03d}" for person in range(NUM_SUBJECTS) for _ in range(CLIPS_EACH)]
CLIPS = [f"{subject}_{index:02d}" for index, subject in enumerate(SUBJECTS)]
LABELS = np.arange(len(SUBJECTS)) % 3
AU_LABELS = np.random.default_rng(7).integers(0, 2, (len(SUBJECTS), len(AUS)))
SETTINGS = {"split": "subjects", "clients": 2, "repeats": 2, "seed": 0, "rounds": 3, "learning_rate": 1e-3}
EXPERIMENTS = {"fed": "client", "mer": "fold", "ablate": "fold", "pretrain": "fold"}


def keys_of(algorithm: str, repeat: int, part: str, number: int) -> dict[str, Any]:
    one = {"fold": schema.ALL, "client": schema.ALL} | {part: str(number)}
    return {"algorithm": algorithm, "repeat": repeat, **one}


def tested_by(repeat: int, number: int) -> np.ndarray:
    return np.flatnonzero((np.array(SUBJECTS).astype(int) + repeat) % NUM_PARTS == number)


def predictions(algorithms: list[str], skills: list[float], part: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of models that know the class of each clip, and each AU, with the probability ``skill``."""
    draw, emotions, aus = np.random.default_rng(seed), [], []
    for (algorithm, skill), repeat, number in product(
        zip(algorithms, skills, strict=True), range(NUM_REPEATS), range(NUM_PARTS)
    ):
        rows = tested_by(repeat, number)
        clips, who = [CLIPS[row] for row in rows], [SUBJECTS[row] for row in rows]
        known = np.where(draw.random(len(rows)) < skill, LABELS[rows], draw.integers(0, 3, len(rows)))
        keys = keys_of(algorithm, repeat, part, number)
        emotions.append(schema.emotion_rows(keys, clips, who, LABELS[rows], np.eye(3)[known], CLASSES))
        labels = AU_LABELS[rows]
        detected = np.where(draw.random(labels.shape) < skill, labels, 1 - labels) * 0.8 + 0.1
        aus.append(schema.au_rows(keys, clips, who, labels, np.ones(labels.shape), detected, AUS))
    return pd.concat(emotions, ignore_index=True), pd.concat(aus, ignore_index=True)


def metrics_of(algorithms: list[str], part: str, scored: str, num_classes: int = 3) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    keys = [keys_of(*which) for which in product(algorithms, range(NUM_REPEATS), [part], range(NUM_PARTS))]
    ones, shape = np.ones(len(keys)), (len(keys), num_classes, num_classes)
    return pd.concat(
        schema.round_rows(
            number,
            keys,
            train_loss_sum=draw.random(len(keys)) / number,
            num_train=ones,
            loss_sum=ones,
            confusion=draw.integers(0, 5, shape) * bool(scored),
            scored=scored,
        )
        for number in range(1, NUM_ROUNDS + 1)
    )


def splits_of(part: str) -> pd.DataFrame:
    rows = []
    for repeat, number in product(range(NUM_REPEATS), range(NUM_PARTS)):
        keys, tested = keys_of("", repeat, part, number), tested_by(repeat, number)
        keys.pop("algorithm")
        who, train = sorted({SUBJECTS[row] for row in tested}), np.setdiff1d(np.arange(len(SUBJECTS)), tested)
        rows.append(schema.split_row(keys, who, LABELS[train], LABELS[:0], LABELS[tested], CLASSES))
    return pd.DataFrame(rows)


def begin(path: Path, experiment: str, settings: dict[str, Any], *, synthetic: bool, fingerprint: str) -> RunFolder:
    """What a command writes before it trains, but for the tables."""
    folder = run_folder.create(path)
    command = f"python -m experiments.{experiment}"
    folder.write_json("config.json", {"experiment": experiment, "command": command, "settings": settings})
    folder.write_json("environment.json", environment())
    drops = [{"clip": "x", "reason": "<b>onset == apex</b>"}]
    facts = {"synthetic": synthetic, "fingerprint": fingerprint, "drops": drops}
    data = schema.data_facts("made up", SUBJECTS, LABELS, CLASSES, AUS, **facts)
    unit = "round" if experiment == "fed" else "epoch"
    folder.write_json("data.json", {"databases": [data], "part": EXPERIMENTS[experiment], "unit": unit})
    return folder


def rows_table(algorithms: list[str], **swept: list[Any]) -> pd.DataFrame:
    names = [title.partition(", ")[0].lower() for title in algorithms]
    return pd.DataFrame({"algorithm": algorithms, "name": names, "prior": "published", "variant": "full", **swept})


def made_once(make: Callable[..., Path]) -> Callable[..., Path]:
    """Makes the run of given options once for all tests of a process, which get copies."""
    folder, made = TemporaryDirectory(), {}

    def copied(path: Path, **options: Any) -> Path:
        key = pickle.dumps(options)
        if key not in made:
            made[key] = make(Path(folder.name) / str(len(made)), **options)
        return Path(shutil.copytree(made[key], path))

    return copied


@made_once
def finished_run(
    path: Path,
    *,
    experiment: str = "fed",
    skill: float | list[float] = 0.6,
    algorithms: tuple[str, ...] = ("FedAvg", "P-FedProx"),
    seed: int = 0,
    scored: str = "test",
    rows: pd.DataFrame | None = None,
    synthetic: bool = True,
    fingerprint: str = "f" * 64,
    num_draws: int = 400,
    **settings: Any,
) -> Path:
    """A run of fed, mer or ablate; ``rows`` gives rows.csv where it has swept settings."""
    part = EXPERIMENTS[experiment]
    folder = begin(path, experiment, SETTINGS | settings, synthetic=synthetic, fingerprint=fingerprint)
    names = list(algorithms) if rows is None else rows["algorithm"].tolist()
    skills = skill if isinstance(skill, list) else [skill] * len(names)
    folder.write_table("rows.csv", rows_table(names) if rows is None else rows)
    folder.write_table("splits.csv", splits_of(part))
    folder.write_table("metrics.csv", metrics_of(names, part, scored))
    conclude(folder, *predictions(names, skills, part, seed), num_draws=num_draws)
    return path


@made_once
def finished_pretraining(
    path: Path, *, skill: float = 0.9, seed: int = 0, algorithms: tuple[str, ...] = ("AU detector",), **settings: Any
) -> Path:
    """A run of pretrain; another ``seed`` validates on other people."""
    own = {"repeats": 2, "seed": seed, "validation_share": 0.25, "pretraining": {"epochs": NUM_ROUNDS}}
    folder = begin(path, "pretrain", own | settings, synthetic=True, fingerprint="f" * 64)
    names, draw = list(algorithms), np.random.default_rng(1)
    people = np.array(SUBJECTS).astype(int)
    aus, splits, trainings = [], [], []
    for repeat in range(NUM_REPEATS):
        validation = np.flatnonzero((people + repeat + seed) % 3 == 0)
        train = np.setdiff1d(np.arange(len(people)), validation)
        keys = {"repeat": repeat, "fold": schema.ALL, "client": schema.ALL}
        who = sorted({SUBJECTS[row] for row in validation})
        splits.append(schema.split_row(keys, who, LABELS[train], LABELS[:0], LABELS[validation], ()))
        for algorithm in names:
            truth = AU_LABELS[validation]
            detected = np.where(draw.random(truth.shape) < skill, truth, 1 - truth) * 0.8 + 0.1
            tested = ([CLIPS[row] for row in validation], [SUBJECTS[row] for row in validation], truth)
            own_keys = {"algorithm": algorithm, **keys}
            trainings.append(own_keys)
            aus.append(schema.au_rows(own_keys, *tested, np.ones(truth.shape), detected, AUS))
    ones, none = np.ones(len(trainings)), np.zeros((len(trainings), 0, 0), int)
    sums = {"train_loss_sum": ones, "num_train": ones, "loss_sum": ones, "confusion": none, "scored": ""}
    rounds = pd.concat(schema.round_rows(number, trainings, **sums) for number in range(1, NUM_ROUNDS + 1))
    tables = {"rows": rows_table(names), "splits": pd.DataFrame(splits), "metrics": rounds}
    shown = {f"{part}_{what}": 20 for part in ("train", "validation") for what in ("labelled", "shown")}
    tables["action_units"] = pd.DataFrame([{"repeat": repeat, "au": au, **shown} for repeat in range(2) for au in AUS])
    for name, table in tables.items():
        folder.write_table(f"{name}.csv", table)
    conclude(folder, None, pd.concat(aus, ignore_index=True), num_draws=400)
    return path
