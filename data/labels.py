"""Emotion names of annotation tables, and their mapping to classes."""

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

SEVEN = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
THREE = ("negative", "positive", "surprise")
FOUR = (*THREE, "others")
SEVEN_WITH_OTHERS = ("anger", "disgust", "fear", "happiness", "others", "sadness", "surprise")
NO_EMOTION = -1  # index of a sample without one
EMOTIONS = (*SEVEN, "repression", "others", "negative", "positive")
CLASS_NAMES: Mapping[int, tuple[str, ...]] = {3: THREE, 4: FOUR, 7: SEVEN}
_OF_DATABASE: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("casme3", 7): SEVEN_WITH_OTHERS,
    ("mmew", 7): SEVEN_WITH_OTHERS,
}

_NO_EMOTION_NAME = {"", "?", "-", "/", "\\", "n/a", "na", "nan", "none", "null", "unknown", "无", "未知"}
_SYNONYMS = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "neg": "negative",
    "other": "others",
    "pos": "positive",
    "repressed": "repression",
    "sad": "sadness",
    "sur": "surprise",
    "suprise": "surprise",
    "surprised": "surprise",
    "愤怒": "anger",
    "生气": "anger",
    "轻蔑": "contempt",
    "蔑视": "contempt",
    "厌恶": "disgust",
    "恐惧": "fear",
    "害怕": "fear",
    "高兴": "happiness",
    "快乐": "happiness",
    "悲伤": "sadness",
    "伤心": "sadness",
    "惊讶": "surprise",
    "压抑": "repression",
    "其他": "others",
    "其它": "others",
    "消极": "negative",
    "积极": "positive",
}
_TO_THREE = {"happiness": "positive", "positive": "positive", "surprise": "surprise", "others": None}


class LeftOut(NamedTuple):
    """Why a clip belongs to no class."""

    reason: str


def emotion_name(cell: object) -> str | None:
    """A cell's emotion in our spelling; None for an empty one, ``?`` or the like.

    Raises:
        ValueError: no emotion that we know.

    >>> emotion_name(" Happy"), emotion_name("Others"), emotion_name(None), emotion_name("Negative")
    ('happiness', 'others', None, 'negative')
    """
    text = "" if cell is None else unicodedata.normalize("NFKC", str(cell)).strip().lower()
    if text in _NO_EMOTION_NAME:
        return None
    name = _SYNONYMS.get(text, text)
    if name not in EMOTIONS:
        raise ValueError(f"emotion {text!r} is none of {', '.join(EMOTIONS)}")
    return name


def emotion_number(cell: object) -> int | None:
    """The number by which a cell names its emotion; None if it is none.

    >>> emotion_number("2"), emotion_number(2.0), emotion_number("fear")
    (2, 2, None)
    """
    text = unicodedata.normalize("NFKC", str(cell)).strip()
    return int(float(text)) if re.fullmatch(r"-?\d{1,3}(\.0+)?", text) else None


def class_names(num_classes: int, database: str = "") -> tuple[str, ...]:
    """The classes of a protocol.

    Papers on CAS(ME)^3 use a different set of seven classes: with others, without contempt. These are MMEW's, too.

    Args:
        num_classes: 3, 4 or 7.
        database: whose protocol.

    Raises:
        ValueError: there is no such protocol.

    >>> class_names(7, "casme3")[4], class_names(7, "dfme")[1], class_names(4)[3]
    ('others', 'contempt', 'others')
    """
    if num_classes not in CLASS_NAMES:
        *others, last = map(str, CLASS_NAMES)
        raise ValueError(f"{num_classes} classes: there are maps to {', '.join(others)} and {last} classes")
    return _OF_DATABASE.get((database, num_classes), CLASS_NAMES[num_classes])


def class_name(emotion: str, num_classes: int, database: str = "") -> str | None:
    """The class of an emotion; None where it belongs to no class.

    3 classes: happiness is positive, surprise is surprise, others belongs to none, everything else is negative.
    4 classes: those, and others. 7 classes: the emotion itself, if it is one of the seven.

    Source: the mapping of FED-PsyAU (ICCV 2025); for 4 and CAS(ME)^3's 7 classes, that of papers on CAS(ME)^3; MMEW's
    7 are its table's emotions.

    >>> [class_name(emotion, 3) for emotion in ("happiness", "repression", "others")]
    ['positive', 'negative', None]
    >>> [class_name(emotion, 7) for emotion in ("happiness", "repression")]
    ['happiness', None]
    """
    if num_classes == 3:
        return _TO_THREE.get(emotion, "negative")
    if num_classes == 4:
        return _TO_THREE.get(emotion, "negative") or "others"
    return emotion if emotion in class_names(num_classes, database) else None
