"""Databases by ``module:function``: a Dataset of the user's own, seen to be one before anything is trained on it."""

import inspect
from dataclasses import replace
from typing import Any

import numpy as np

from data.dataset import Dataset, fingerprint, with_classes
from experiments.inputs.plugins import attribute, told
from fedpsyau_jax.priors import ACTION_UNITS
from fedpsyau_jax.types import Examples

EXAMPLES = {"flow": (28, 28, 3), "patches": (65, 5, 5, 3), "au": (12,), "au_mask": (12,)}
"""Shape of one example where it is no number."""
AU_NAMES = tuple(f"AU{au}" for au in ACTION_UNITS)


def own_database(text: str, classes: int | None) -> Dataset:
    """What a value ``module:name`` of ``--database`` means, where name is a function ``() -> Dataset``, or a Dataset.

    Args:
        text: the value.
        classes: 3 or 7 to map its emotions to these classes; None for its own.

    Returns:
        The dataset with its fingerprint.

    Raises:
        ValueError: no such module or function, one that fails, or what it returns is no dataset; in one sentence.
    """
    where, found = f"--database={text}", attribute("--database", text)
    if not isinstance(found, Dataset) and (not callable(found) or inspect.isclass(found)):
        raise ValueError(f"{where}: {text.partition(':')[2]} is neither a function that gives a Dataset nor a Dataset")
    try:
        made = found if isinstance(found, Dataset) else found()
    except Exception as error:
        raise ValueError(f"{where}: the function failed ({told(error)})") from error
    if not isinstance(made, Dataset):
        raise ValueError(f"{where}: the function returned {type(made).__name__}, not a Dataset")
    checked = check_dataset(made, where)
    return checked if classes is None else with_classes(checked, classes)


def check_dataset(made: Dataset, where: str) -> Dataset:
    """The dataset as the experiments take it, if it is one; with its fingerprint.

    Raises:
        ValueError: what is wrong; the sentence starts with ``where``.
    """
    arrays = {name: np.asarray(array) for name, array in made.examples._asdict().items()}
    subject, clip = (np.asarray(names).astype(str) for names in (made.subject, made.clip))
    if not len(clip):
        raise ValueError(f"{where}: it has no clip")
    for name, array in {**arrays, "subject": subject, "clip": clip}.items():
        if array.shape != (wanted := (len(clip), *EXAMPLES.get(name, ()))):
            raise ValueError(f"{where}: {name} has shape {array.shape}; give {wanted}, a row for each clip")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{where}: {name} holds a missing or infinite number; leave such clips out")
    _check_labels(made, arrays, where)
    _, counts = np.unique(clip, return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"{where}: {(counts > 1).sum()} names of clips occur twice or more; give each its own")
    dtypes = dict.fromkeys(EXAMPLES, np.float32) | {"emotion": np.int64}
    typed: dict[str, Any] = {name: array.astype(dtypes[name]) for name, array in arrays.items()}
    metadata = {"dropped": []} | dict(made.metadata)
    dataset = replace(made, examples=Examples(**typed), subject=subject, clip=clip, metadata=metadata)
    return replace(dataset, fingerprint=fingerprint(dataset))


def _check_labels(made: Dataset, arrays: dict[str, Any], where: str) -> None:
    if tuple(made.au_names) != AU_NAMES:
        raise ValueError(f"{where}: its AUs are {', '.join(made.au_names)}; the network has {', '.join(AU_NAMES)}")
    for name in ("au", "au_mask"):
        if not np.isin(arrays[name], (0, 1)).all():
            raise ValueError(f"{where}: {name} holds another number than 0 and 1; a label that is missing has mask 0")
    emotion, last = arrays["emotion"], len(made.class_names) - 1
    if emotion.dtype.kind not in "iu" or not np.isin(emotion, np.arange(-1, last + 1)).all():
        raise ValueError(f"{where}: emotion has others than 0 to {last}, places in class_names, and -1 for none")
