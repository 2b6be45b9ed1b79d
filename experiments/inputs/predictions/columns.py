"""Which column of a table of predictions holds what, by its heading, in any spelling."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from data.headings import LOOSE, SPELLINGS, letters
from experiments.inputs.predictions.classes import class_key

ROLES: Mapping[str, tuple[str, ...]] = {
    "truth": (
        *("truth", "groundtruth", "gt", "ytrue", "true", "truelabel", "trueclass", "trueemotion", "gtlabel"),
        *("labeltrue", "actual", "actuallabel", "target", "targets", "gold", "reference", "真实", "真实标签", "真值"),
        *("label", "labels", "class", "classlabel", "classid", "y", "annotation", "标签", "类别"),
        *SPELLINGS["emotion"],
        *LOOSE["emotion"],
    ),
    "prediction": (
        *("predicted", "prediction", "predictions", "pred", "preds", "ypred", "yhat", "predictedlabel", "predlabel"),
        *("predictedclass", "predclass", "predictedemotion", "output", "hypothesis", "hyp", "guess", "recognised"),
        *("recognized", "classified", "classifiedas", "预测", "预测标签", "预测类别"),
    ),
    "subject": (*SPELLINGS["subject"], *LOOSE["subject"], "person", "personid", "identity", "actor", "testsubject"),
    "clip": (
        *SPELLINGS["filename"],
        *LOOSE["filename"],
        *("clips", "sample", "sampleid", "samplename", "name", "id", "files", "path", "filepath", "videopath", "image"),
        *("imagename", "segment", "样本"),
    ),
    "database": ("database", "dataset", "db", "data", "databasename", "datasetname", "corpus", "source", "数据集"),
    "fold": ("fold", "foldid", "folds", "split", "cvfold", "loso"),
    "repeat": ("repeat", "repeats", "repetition", "seed", "trial", "run", "runid"),
    "algorithm": ("algorithm", "method", "model", "network", "approach", "system", "modelname"),
}  # fmt: skip
"""Spellings of headings, the better ones first."""
SURE_TRUTH = ROLES["truth"][: ROLES["truth"].index("label")]
"""Headings that say that they are the truth; ``label`` may be that of a prediction."""
_TRUTH_WORDS = frozenset({"true", "truth", "gt", "groundtruth", "actual", "target", "gold"})
_CLASS_WORDS = frozenset({"label", "labels", "class", "emotion", "category", "expression"})
_PROBABILITY = r"(?:p|probs?|proba|probability|probabilities|softmax|logits?|scores?|conf(?:idence)?)"
_PREFIXED = re.compile(
    rf"(?:pred(?:icted|iction)?[\s_.-]*)?{_PROBABILITY}(?:[\s_.:(\[-]+(?:of[\s_]+)?(?:(?:class|cls)[\s_]*)?|(?=\d))(.+?)[)\]]?",
    re.IGNORECASE,
)
_SUFFIXED = re.compile(rf"(.+?)[\s_.-]+{_PROBABILITY}", re.IGNORECASE)
_PREDICTED = re.compile(r"(?:y[\s_]?)?pred(?:icted|iction)?[\s_.-]*(\d+)", re.IGNORECASE)
_LIST = re.compile(r"(?:tensor|array)?\(?\[([^\[\]]*)\].*?\)?", re.IGNORECASE)
_NEAR, _SHORTEST_NEAR = 0.88, 4
_UNLIKELY = 1_000
_SPELT = {
    spelling: (role, rank) for role, all_of in [*ROLES.items()][::-1] for rank, spelling in [*enumerate(all_of)][::-1]
}


def places(line: Sequence[object]) -> dict[str, list[int]]:
    """Role -> places of the headings that fit it, the best first.

    >>> places(["", "Subject", "Video Name", "y_true", "y_pred", "Loss"])
    {'subject': [1], 'clip': [2], 'truth': [3], 'prediction': [4]}
    """
    found: dict[str, list[tuple[int, int]]] = {}
    for place, heading in enumerate(line):
        if isinstance(heading, str) and (fit := _role(heading)):
            found.setdefault(fit[0], []).append((fit[1], place))
    ranked = {role: [place for _, place in sorted(fits)] for role, fits in found.items()}
    return _with_label_as_prediction(line, ranked)


def with_lists_as_columns(
    line: Sequence[object], rows: Sequence[Sequence[object]]
) -> tuple[list[object], list[list[object]]]:
    """A table whose cells like ``[0.1, 0.9]``, if a column has only such, are columns of probabilities.

    >>> with_lists_as_columns(["label", "probs"], [["0", "[0.9 0.1]"]])
    (['label', 'probs', 'p_0', 'p_1'], [['0', '[0.9 0.1]', '0.9', '0.1']])
    """
    for place in range(len(line)):
        cells = [_LIST.fullmatch(str(_cell(row, place) or "").strip()) for row in rows]
        numbers = [re.split(r"[,;\s]+", cell[1].strip(" ,;")) for cell in cells if cell]
        if rows and len(numbers) == len(rows) and len({len(own) for own in numbers}) == 1 and len(numbers[0]) > 1:
            blank = [[*row, *[None] * (len(line) - len(row))] for row in rows]
            headings = [f"p_{number}" for number in range(len(numbers[0]))]
            return [*line, *headings], [[*row, *own] for row, own in zip(blank, numbers, strict=True)]
    return list(line), [list(row) for row in rows]


def probability_places(line: Sequence[object], rows: Sequence[Sequence[object]]) -> dict[str, int]:
    """Class, as its heading names it -> place of its probabilities (or scores); empty if there are no such columns.

    >>> probability_places(["p_0", "p_1"], [["0.2", "0.8"]]), probability_places(["Negative", "Positive"], [[3, 4.5]])
    ({'0': 0, '1': 1}, {'Negative': 0, 'Positive': 1})
    >>> probability_places(["P(fear)", "disgust prob", "accuracy"], [[0.1, 0.9, 1]])
    {'fear': 0, 'disgust': 1}
    """
    numeric = [
        (place, unicodedata.normalize("NFKC", heading).strip())
        for place, heading in enumerate(line)
        if isinstance(heading, str) and _mostly_numbers(rows, place)
    ]
    marked = {found[1]: place for place, text in numeric if (found := _marked(text))}
    bare = {text: place for place, text in numeric if class_key(text) is not None and _is_emotion(text)}
    guessed = {
        found[1]: place
        for place, text in numeric
        if (found := _PREDICTED.fullmatch(text)) and any(_has_fraction(_cell(row, place)) for row in rows)
    }
    return next((named for named in (marked, bare, guessed) if len(named) > 1), {})


def _mostly_numbers(rows: Sequence[Sequence[object]], place: int) -> bool:
    return bool(rows) and 2 * sum(is_number(_cell(row, place)) for row in rows) >= len(rows)


def _has_fraction(cell: object) -> bool:
    return is_number(cell) and float(str(cell)) % 1 != 0


def is_number(cell: object) -> bool:
    """Whether a cell is a finite number; ``nan`` is none.

    >>> is_number("1e-3"), is_number(0.5), is_number(True), is_number("nan"), is_number(None)
    (True, True, False, False, False)
    """
    try:
        return not isinstance(cell, bool) and abs(float(str(cell))) < float("inf")
    except ValueError:
        return False


def _cell(row: Sequence[object], place: int) -> object:
    return row[place] if place < len(row) else None


def _marked(text: str) -> re.Match[str] | None:
    return _PREFIXED.fullmatch(text) or _SUFFIXED.fullmatch(text)


def _is_emotion(text: str) -> bool:
    from data.labels import EMOTIONS

    return class_key(text) in EMOTIONS


def _role(heading: str) -> tuple[str, int] | None:
    """The role of a heading, and how badly it fits; a cell that says a value (``gt=1``) is none."""
    if re.search(r"[=:]\s*\S", heading):
        return None
    text = re.sub(r"[(\[].*?[)\]]", "", unicodedata.normalize("NFKC", heading)) or heading
    word, words = letters(text), _words(text)
    if word in _SPELT:
        return _SPELT[word]
    if _marked(heading.strip()) or {"prob", "probability", "confidence", "score", "logit"} & set(words):
        return None
    if any(part.startswith("pred") for part in words) or word.startswith(("ypred", "yhat")):
        return "prediction", _UNLIKELY
    if _TRUTH_WORDS & set(words):
        return "truth", len(SURE_TRUTH)
    if words and words[-1] in _CLASS_WORDS:
        return "truth", _UNLIKELY
    return _near(word)


def _near(word: str) -> tuple[str, int] | None:
    digits = re.sub(r"\D", "", word)
    if len(word) < _SHORTEST_NEAR:
        return None
    alike = [spelling for spelling in _SPELT if re.sub(r"\D", "", spelling) == digits]
    close = get_close_matches(word, alike, 1, _NEAR)
    return (_SPELT[close[0]][0], _UNLIKELY) if close else None


def _words(heading: str) -> list[str]:
    """Words of a heading, also those of ``camelCase`` and ``snake_case``."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", heading)]


def _with_label_as_prediction(line: Sequence[object], found: dict[str, list[int]]) -> dict[str, list[int]]:
    """Beside a heading that says it is the truth, and none that says it predicts, ``label`` is the prediction."""
    truths = found.get("truth", [])
    sure = [place for place in truths if letters(str(line[place])) in SURE_TRUTH]
    others = [place for place in truths if letters(str(line[place])) in ("label", "labels", "class")]
    if "prediction" in found or not sure or len(others) != 1:
        return found
    return found | {"truth": [place for place in truths if place not in others], "prediction": others}


def listed(headings: Iterable[object]) -> str:
    """Headings for a sentence.

    >>> listed(["a", None, "b"])
    "'a', 'b'"
    """
    return ", ".join(repr(str(heading).strip()) for heading in headings if str(heading or "").strip())
