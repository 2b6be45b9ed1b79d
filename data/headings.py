"""Recognise the headings of annotation tables in any spelling."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from itertools import chain

FRAMES = ("onset", "apex", "offset")
FRAME_WORDS = (
    "", "frame", "f", "index", "idx", "f1", "frame1", "no", "num", "number", "frameno", "framenum", "framenumber",
    "frameindex", "frameidx",
)  # fmt: skip
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "subject": (
        "subject", "subjects", "subjectid", "subjectno", "subjectnumber", "subjectname", "subjectindex", "被试",
        "被试编号", "受试者", "受试者编号",
    ),
    "filename": ("filename", "clipname", "文件名"),
    "onset": (*("onset" + word for word in FRAME_WORDS), "起始帧", "开始帧"),
    "apex": (*("apex" + word for word in FRAME_WORDS), "顶点帧", "峰值帧"),
    "offset": (*("offset" + word for word in FRAME_WORDS), "结束帧", "终止帧"),
    "au": (
        "actionunits", "actionunit", "aus", "facs", "facscoding", "facscode", "facsau", "ausfacs", "aulabel", "aulist",
        "aucode", "au", "动作单元",
    ),
    "emotion": (
        "emotion", "estimatedemotion", "emotionlabel", "emotionclass", "emotioncategory", "emotiontype", "emotionname",
        "emotions", "情绪", "情感", "情绪类别", "情绪标签",
    ),
    "fps": ("fps", "framerate", "framespersecond"),
}  # fmt: skip
LOOSE: Mapping[str, tuple[str, ...]] = {
    "subject": ("subid", "subj", "sub", "participant", "participantid"),
    "filename": ("file", "clip", "clipid", "video", "videoname", "videoid", "sequence"),
    "emotion": (
        "expression", "emotionid", "emotionindex", "emotionidx", "emotioncode", "emotionnumber", "label", "class",
        "category",
    ),
}  # fmt: skip
"""Names that count where no better one is there."""

_ALL = frozenset(chain(*SPELLINGS.values(), *LOOSE.values()))
_TIMES = frozenset(
    {"ms", "msec", "msecs", "millisecond", "milliseconds", "s", "sec", "secs", "second", "seconds", "time", "timestamp"}
)
_CHINESE_TIMES = ("秒", "时间")
_A_LETTER = re.compile(r"[^\W\d_]")
_NEAR = 0.88
_SHORTEST_NEAR = 4


def headings(line: Sequence[object], also: Sequence[tuple[str, str]] = ()) -> dict[str, list[int]]:
    """Our column names -> places of all cells of a header line that fit best: known spellings, else near, else loose.

    A heading that says it is a time (``Onset (ms)``) is no frame.

    Args:
        line: cells.
        also: further (our column name, letters of a heading).

    >>> headings(["Subject", "OnsetF", "Apex", "Offset", "Onset", "Onset [ms]"])["onset"]
    [4, 1]
    """
    words = [_known_letters(cell) if isinstance(cell, str) else "" for cell in line]
    further = {word for _, word in also}
    if not any(word and (word in _ALL or word in further or _near(word)) for word in words):
        return {}
    times = [isinstance(cell, str) and says_time(cell) for cell in line]
    found: dict[str, list[int]] = {}

    def places(name: str, spellings: Sequence[str]) -> list[int]:
        fitting = [place for spelling in spellings for place, word in enumerate(words) if word == spelling]
        return [place for place in fitting if not (name in FRAMES and times[place])]

    for name in dict.fromkeys((*SPELLINGS, *(column for column, _ in also))):
        found[name] = places(name, (*SPELLINGS.get(name, ()), *(word for column, word in also if column == name)))
    for name in [name for name in SPELLINGS if not found[name]]:
        claimed = set(chain.from_iterable(found.values()))
        near = [word for spelling in SPELLINGS[name] for word in _nearest(spelling, words, claimed)]
        found[name] = places(name, near[:1]) or [
            place for place in places(name, LOOSE.get(name, ())) if place not in claimed
        ]
    for name in FRAMES:
        claimed = set(chain.from_iterable(found.values()))
        near = [word for spelling in SPELLINGS[name] for word in _nearest(spelling, words, claimed)]
        found[name] += [place for place in places(name, list(dict.fromkeys(near))) if place not in claimed]
    return {name: here for name, here in found.items() if here}


def columns(line: Sequence[object], also: Sequence[tuple[str, str]] = ()) -> dict[str, int]:
    """Our column names -> place of the first heading that fits.

    >>> columns(["Subject", None, "Onset Frame", "OffestFrame", "Estimated Emotion (7)"])
    {'subject': 0, 'onset': 2, 'offset': 3, 'emotion': 4}
    """
    return {name: places[0] for name, places in headings(line, also).items()}


def says_time(heading: str) -> bool:
    """Whether a heading's last word, also in brackets, is a unit of time.

    >>> says_time("Onset (ms)"), says_time("onset_time"), says_time("OnsetMs"), says_time("OnsetFrame")
    (True, True, True, False)
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", heading)
    return (len(words) > 1 and words[-1].lower() in _TIMES) or any(unit in heading for unit in _CHINESE_TIMES)


def letters(text: str) -> str:
    """A heading's letters and digits, without case, accents and full-width forms.

    >>> letters("Ａpex_Frame (No. 1)")
    'apexframeno1'
    """
    plain = unicodedata.normalize("NFKD", text).lower()
    return "".join(sign for sign in plain if sign.isalnum())


@lru_cache(maxsize=100_000)
def _known_letters(heading: str) -> str:
    """A heading's letters; without what stands in brackets, where that makes a name that we know; none of a number."""
    if not _A_LETTER.search(heading):
        return ""
    plain = unicodedata.normalize("NFKC", heading)
    shorter = letters(re.sub(r"[(\[].*?[)\]]", "", plain))
    return shorter if letters(plain) not in _ALL and shorter in _ALL else letters(plain)


def _nearest(spelling: str, words: Sequence[str], claimed: set[int]) -> list[str]:
    free = [word for place, word in enumerate(words) if place not in claimed and len(word) >= _SHORTEST_NEAR]
    near = [word for word in free if spelling in _near(word)]
    return get_close_matches(spelling, near, 1, _NEAR) if near else []


@lru_cache(maxsize=100_000)
def _near(word: str) -> frozenset[str]:
    """Spellings with the same digits that a word is near to. Comparing is slow, and tables repeat their words."""
    digits = _digits(word)
    alike = [spelling for spelling, its_digits in _SPELT if its_digits == digits]
    return frozenset(spelling for spelling in alike if get_close_matches(spelling, [word], 1, _NEAR))


def _digits(word: str) -> str:
    return re.sub(r"\D", "", word)


_SPELT = [(spelling, _digits(spelling)) for spelling in chain.from_iterable(SPELLINGS.values())]
