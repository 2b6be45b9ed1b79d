"""Tables that only a pretraining has: who of each database it uses, and how often each action unit is shown."""

from typing import Any

import numpy as np

from fedpsyau_jax.types import Float, Int


def database_rows(
    repeat: int,
    database: np.ndarray,
    subject: np.ndarray,
    train: Int[np.ndarray, "train_examples"],
    validation: Int[np.ndarray, "validation_examples"],
) -> list[dict[str, Any]]:
    """Rows of databases.csv: who of each database is trained and validated on in one repeat.

    Args:
        repeat: from 0.
        database: [examples] name of the database that each example is of.
        subject: [examples] who is seen.
        train, validation: indices of examples.

    Returns:
        repeat, database, num_train, num_validation, train_subjects, validation_subjects of each database.
    """
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(database.tolist()):
        own = {
            part: indices[database[indices] == name] for part, indices in (("train", train), ("validation", validation))
        }
        sizes = {f"num_{part}": len(indices) for part, indices in own.items()}
        people = {f"{part}_subjects": " ".join(np.unique(subject[indices])) for part, indices in own.items()}
        rows.append({"repeat": repeat, "database": name, **sizes, **people})
    return rows


def au_count_rows(
    repeat: int,
    labels: Float[np.ndarray, "examples aus"],
    au_mask: Float[np.ndarray, "examples aus"],
    au_names: tuple[str, ...] | list[str],
    train: Int[np.ndarray, "train_examples"],
    validation: Int[np.ndarray, "validation_examples"],
) -> list[dict[str, Any]]:
    """Rows of action_units.csv: in how many examples each AU is labelled, and in how many of these it is shown.

    Args:
        repeat: from 0.
        labels: [examples, aus] in {0, 1}.
        au_mask: [examples, aus] 0 where not labelled.
        au_names: [aus].
        train, validation: indices of examples.

    Returns:
        repeat, au, train_labelled, validation_labelled, train_shown, validation_shown of each AU.
    """
    labelled = np.asarray(au_mask).astype(bool)
    shown = np.asarray(labels).astype(bool) & labelled
    parts = {"train": train, "validation": validation}
    return [
        {"repeat": repeat, "au": name}
        | {f"{part}_labelled": int(labelled[indices, index].sum()) for part, indices in parts.items()}
        | {f"{part}_shown": int(shown[indices, index].sum()) for part, indices in parts.items()}
        for index, name in enumerate(au_names)
    ]
