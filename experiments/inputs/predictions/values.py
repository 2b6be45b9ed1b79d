"""What is read from a file of predictions, before and after it is understood."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

KEYS = ("algorithm", "repeat", "database", "subject", "clip")
ONLY = ""
"""Name of the algorithm where a file names none."""


class RawRow(NamedTuple):
    """One prediction as it is written; an empty text where the file says nothing.

    Attributes:
        number: of the row in the file, from 1.
        truth, prediction: classes; the prediction is empty where there are probabilities only.
        subject, clip, database, fold, repeat, algorithm: what is known of the clip and its training.
        probabilities: of each class, in the order of ``RawFile.probability_names``.
    """

    number: int
    truth: str
    prediction: str
    subject: str = ""
    clip: str = ""
    database: str = ""
    fold: str = ""
    repeat: str = ""
    algorithm: str = ""
    probabilities: tuple[float, ...] = ()


class RawFile(NamedTuple):
    """The rows of a file.

    Attributes:
        rows: one for each prediction.
        probability_names: the classes that its columns of probabilities name.
        remarks: how it was read, in sentences.
        headings: role -> heading of the column that was read.
    """

    rows: tuple[RawRow, ...]
    probability_names: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    headings: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class ClipPredictions:
    """Predictions of clips.

    Attributes:
        name: of the file or run.
        table: columns ``KEYS``, label, predicted and ``p_<class>``, as predictions.csv has them; the probability of the
            predicted class is 1 where the file has none.
        class_names: in their order.
        with_probabilities: whether the file has probabilities.
        remarks: how the file was read, in sentences.
        cautions: what limits its scores, in sentences.
        synthetic: whether the faces are known to be rendered.
    """

    name: str
    table: pd.DataFrame
    class_names: tuple[str, ...]
    with_probabilities: bool
    remarks: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    synthetic: bool = False


def joined(names: list[str], most: int = 5) -> str:
    """Names for a sentence, at most so many.

    >>> joined(["a", "b"]), joined(["a", "b", "c"], most=2)
    ('a, b', 'a, b and 1 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
