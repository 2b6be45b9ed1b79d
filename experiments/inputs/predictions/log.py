"""Read plain text: clip, truth and prediction on a line, under lines that name the subject."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from data.grids import TableError, content_of
from data.labels import EMOTIONS
from data.text import decoded
from experiments.inputs.predictions.classes import class_key
from experiments.inputs.predictions.values import RawFile, RawRow

_TRUTH = r"(?:ground[\s_-]?truth|gt|true|truth|y_true|label|actual|target)(?:[\s_-]?(?:label|class|emotion))?"
_PREDICTION = r"(?:pred(?:icted|iction)?|y_pred|output|hyp)(?:[\s_-]?(?:label|class|emotion))?"
_NAMED_TRUTH = re.compile(rf"\b{_TRUTH}\s*(?:[:=]|is\b)\s*([^\s,;|]+)", re.IGNORECASE)
_NAMED_PREDICTION = re.compile(rf"\b{_PREDICTION}\s*(?:[:=]|is\b)\s*([^\s,;|]+)", re.IGNORECASE)
_NAMED_CLIP = re.compile(r"^\W*(?:clip|video|file(?:name)?|sample|name)\s*[:=]\s*", re.IGNORECASE)
_SUBJECT_WORD = re.compile(
    r"^(?:(?:test|left[\s-]?out|loso)[\s_-]*)?(?:subject|subj|participant|person|fold)(?:[\s_-]?(?:id|name|no\.?))?"
    r"(?:\s*[:=#-]\s*|\s+)(?=\S)",
    re.IGNORECASE,
)
_SCORES = re.compile(r"\b(?:uf1|uar|war|acc(?:uracy)?|f1|loss|epoch|recall|precision|mean|average)\b|^\W+$", re.I)
_BETWEEN = re.compile(r"\s*(?:-+>|=+>|→)\s*|[\s,;|]+")
_AFTERWARDS = frozenset({"correct", "wrong", "right", "ok", "✓", "✗", "✔", "✘"})
_NUMBER, _WORD = "number", "word"
_FEWEST_SHARE = 1 / 3


class _Line(NamedTuple):
    """A line that is not blank: its number, its text without frame, and its words."""

    number: int
    text: str
    words: list[str]

    @property
    def kind(self) -> str:
        """How its last two words write classes; empty if they are none."""
        kinds = {_kind(word) for word in self.words[-2:]}
        enough = len(self.words) > 2 or (len(self.words) == 2 and kinds == {_NUMBER})
        return kinds.pop() if enough and len(kinds) == 1 else ""


def read_log(path: Path) -> RawFile | None:
    """The predictions of a log; None if the file is not one.

    A line of three or more words is clip, true class, predicted class; before the clip there may be the subject, before
    that the database. A line of one or two words names the subject, after the database if there are two, of the lines
    that follow. Truth and prediction may be named (``gt=1 pred=0``). Lines that begin with # and lines with scores
    (``UF1: 0.7``) are passed over.

    Raises:
        TableError: a line between those of clips is something else; the message names it.
        OSError: the file cannot be read.
    """
    try:
        text = decoded(content_of(path)).text
    except ValueError as error:
        raise error if isinstance(error, TableError) else TableError(f"{path}: {error}") from error
    if re.match(r"\s*(?:\{|\[\s*[\[{])", text):
        raise TableError(f"{path}: JSON; write a table with headings instead")
    lines = [_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [line for line in lines if line.words]
    kinds = Counter(line.kind for line in lines if line.kind)
    usual = kinds.most_common(1)[0][0] if kinds else ""
    clips = [place for place, line in enumerate(lines) if usual and line.kind == usual and not _names_subject(line)]
    if len(clips) < max(1, _FEWEST_SHARE * len(lines)) or not _are_classes([lines[place] for place in clips], usual):
        return None
    return _read(path, lines, usual, range(clips[0], clips[-1] + 1))


def _line(number: int, line: str) -> _Line:
    """A line as words: the clip's, then truth and prediction, whichever is named first."""
    text = line.strip().strip("[]{}<>=*-_~ \t")
    if line.lstrip().startswith("#"):
        return _Line(number, "", [])
    truth, prediction = _NAMED_TRUTH.search(text), _NAMED_PREDICTION.search(text)
    if truth and prediction:
        before = _NAMED_CLIP.sub("", text[: min(truth.start(), prediction.start())])
        return _Line(number, text, [*_words(before), *_words(truth[1]), *_words(prediction[1])])
    words = _words(text)
    return _Line(number, text, words[:-1] if words and words[-1].lower() in _AFTERWARDS else words)


def _words(text: str) -> list[str]:
    return [word for part in _BETWEEN.split(text) if (word := part.strip("'\":()[]"))]


def _kind(word: str) -> str:
    if re.fullmatch(r"-?\d+(?:\.0+)?", word):
        return _NUMBER
    return _WORD if re.fullmatch(r"[^\W\d_]+(?:[_-][^\W\d_]+)*", word) else ""


def _are_classes(lines: Sequence[_Line], kind: str) -> bool:
    """Whether words are classes and no sentences: most of them emotions."""
    known = [class_key(word) in EMOTIONS for line in lines for word in line.words[-2:]]
    return kind == _NUMBER or 2 * sum(known) >= len(known)


def _names_subject(line: _Line) -> bool:
    return bool(_SUBJECT_WORD.match(line.text))


def _read(path: Path, lines: Sequence[_Line], usual: str, inner: range) -> RawFile:
    rows, passed_over, whose = list[RawRow](), list[int](), ("", "")
    for place, line in enumerate(lines):
        header = _whose(line)
        if line.kind == usual and not _names_subject(line):
            rows.append(_row(path, line, *whose))
        elif header and (place < inner.stop or not _SCORES.search(line.text)):
            whose = header
        elif place in inner and not _SCORES.search(line.text):
            raise TableError(
                f"{path}, row {line.number}: {line.text[:60]!r} is neither clip, truth and prediction nor the name of "
                "a subject"
            )
        else:
            passed_over.append(line.number)
    under = f" under lines that name {'database and subject' if whose[0] else 'the subject'}" if any(whose) else ""
    remarks = [f"lines: clip, truth, prediction{under}"]
    if passed_over:
        remarks.append(f"{len(passed_over)} other lines are passed over (the first is {passed_over[0]})")
    return RawFile(tuple(rows), remarks=tuple(remarks))


def _row(path: Path, line: _Line, database: str, subject: str) -> RawRow:
    *before, truth, prediction = line.words
    if len(before) > 3:
        raise TableError(
            f"{path}, row {line.number}: {len(line.words)} words in {line.text[:60]!r}; write clip, truth, prediction, "
            "or database, subject, clip, truth, prediction"
        )
    who = [database, subject, ""]
    who = who[: 3 - len(before)] + before
    return RawRow(line.number, truth, prediction, database=who[0], subject=who[1], clip=who[2])


def _whose(line: _Line) -> tuple[str, str] | None:
    """Database and subject that a line names; None if it names neither."""
    text = re.sub(r"(?<=\S)\s+\([^()]*\)$", "", line.text)
    words = _words(_SUBJECT_WORD.sub("", text))
    if len(words) == 2 and words[0].isdigit() and not words[1].isdigit():
        words = words[1:]  # the number of a fold
    if _SCORES.search(line.text) or not 1 <= len(words) <= 2 or re.fullmatch(r"-?\d*\.\d+", words[-1]):
        return None
    return ("", words[0]) if len(words) == 1 else (words[0], words[1])
