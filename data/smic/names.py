"""SMIC's names of subjects and clips, in one spelling: ``s1_ne_01`` and ``S01_NE_1`` are ``s01_ne_01``."""

import re

from data.annotations import matching

KINDS = {"ne": "negative", "po": "positive", "sur": "surprise"}
CLIP_FOLDER = r"s(?:ub)?[\s_]*0*\d{1,2}[\s_-]*(?:ne|po|sur)[\s_-]*0*\d{1,2}"
"""What the name of a clip's folder looks like."""

SLOWER_CAMERA = re.compile(r"(?<![a-z0-9])(vis|nir)(?![a-z0-9])", re.IGNORECASE)
"""What is in the names of folders and tables of the cameras of 25 frames a second."""

_SUBJECT = r"s(?:ub)?[\s_]*0*(\d{1,2})"

subject_of = matching(rf"(?:{_SUBJECT}|0*(\d{{1,2}}))", lambda found: f"s{int(found[1] or found[2]):02d}")
clip_of = matching(
    rf"{_SUBJECT}[\s_-]*(ne|po|sur)[\s_-]*0*(\d{{1,2}})",
    lambda found: f"s{int(found[1]):02d}_{found[2].lower()}_{int(found[3]):02d}",
)


def emotion_of(clip: str) -> str:
    """The class that a clip's name says.

    >>> emotion_of(clip_of("s1_Sur_2"))
    'surprise'
    """
    return KINDS[clip.split("_")[1]]
