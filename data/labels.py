"""Emotion names of annotation tables, and the classes that experiments make of them."""

from collections.abc import Mapping

SEVEN = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
THREE = ("negative", "positive", "surprise")
NO_EMOTION = -1  # index of a sample without one
EMOTIONS = (*SEVEN, "repression", "others")
CLASS_NAMES: Mapping[int, tuple[str, ...]] = {3: THREE, 7: SEVEN}

_NO_EMOTION_NAME = {"", "?", "-", "/", "n/a", "nan", "none", "unknown"}
_SYNONYMS = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "other": "others",
    "repressed": "repression",
    "sad": "sadness",
    "suprise": "surprise",
    "surprised": "surprise",
}
_TO_THREE = {"happiness": "positive", "surprise": "surprise", "others": None}


def emotion_name(cell: object) -> str | None:
    """A cell's emotion in our spelling; None for an empty one, ``?`` or the like.

    Raises:
        ValueError: no emotion that we know.

    >>> emotion_name(" Happy"), emotion_name("Others"), emotion_name(None)
    ('happiness', 'others', None)
    """
    text = "" if cell is None else str(cell).strip().lower()
    if text in _NO_EMOTION_NAME:
        return None
    name = _SYNONYMS.get(text, text)
    if name not in EMOTIONS:
        raise ValueError(f"emotion {text!r} is none of {', '.join(EMOTIONS)}")
    return name


def class_name(emotion: str, num_classes: int) -> str | None:
    """The class of an emotion; None where it belongs to no class.

    3 classes: happiness is positive, surprise is surprise, others belongs to none, everything else is negative.
    7 classes: the emotion itself, if it is one of the seven.

    Source: the mapping of FED-PsyAU (ICCV 2025).

    >>> [class_name(emotion, 3) for emotion in ("happiness", "repression", "others")]
    ['positive', 'negative', None]
    >>> [class_name(emotion, 7) for emotion in ("happiness", "repression")]
    ['happiness', None]
    """
    if num_classes == 3:
        return _TO_THREE.get(emotion, "negative")
    return emotion if emotion in SEVEN else None
