"""Published clip lists as rules with named exceptions: the composite of MEGC 2019."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from data.casme2.layout import COLUMNS as CASME2
from data.labels import THREE, LeftOut, emotion_name
from data.samm.layout import COLUMNS as SAMM
from data.smic import names as smic

if TYPE_CHECKING:
    from data.dataset import Dataset

COMPOSITE2019 = ("smic", "casme2", "samm")
_NEGATIVE: Mapping[str, frozenset[str]] = {
    "casme2": frozenset({"disgust", "repression", "negative"}),
    "samm": frozenset({"anger", "contempt", "disgust", "fear", "sadness", "negative"}),
}
_OTHER_CLASSES = {"happiness": "positive", "positive": "positive", "surprise": "surprise"}
_EXCEPTIONS = {
    ("casme2", "sub04", "EP12_01f"): "its onset is its apex",
    ("casme2", "sub05", "EP09_05f"): "its onset is its apex",
}
_READERS = {
    "smic": (smic.subject_of, smic.clip_of),
    "casme2": (CASME2.subject, CASME2.filename),
    "samm": (SAMM.subject, SAMM.filename),
}


class ClipName(NamedTuple):
    """A clip of the composite, spelled as its database's builder spells it, without the subject before the clip."""

    database: str
    subject: str
    clip: str


def clip_name(database: str, subject: object, clip: object) -> ClipName:
    """A clip's name in the builder's spelling, however it is written.

    Raises:
        ValueError: the database is not in the composite, or has no such names.

    >>> clip_name("samm", 6, "6_1_2"), clip_name("smic", "s1", "s1_ne_01").clip
    (ClipName(database='samm', subject='006', clip='006_1_2'), 's01_ne_01')
    >>> clip_name("casme2", "1", "sub01_EP02_01F").clip
    'EP02_01f'
    """
    if database not in _READERS:
        raise ValueError(f"database {database!r} is none of the composite's: {', '.join(COMPOSITE2019)}")
    read_subject, read_clip = _READERS[database]
    inside = re.sub(r"^sub\d+_", "", str(clip).strip(), flags=re.IGNORECASE)
    try:
        named = ClipName(database, read_subject(subject), read_clip(inside))
    except ValueError as error:
        raise ValueError(f"{database}, subject {subject!r}, clip {clip!r}: no such names ({error})") from error
    if database == "casme2":
        return named._replace(clip=re.sub("^ep", "EP", named.clip.lower()))
    owner = read_subject(re.split("[_ -]", named.clip)[0])
    if owner != named.subject:
        raise ValueError(f"{database}: clip {named.clip} is not of the subject {named.subject}")
    return named


def composite2019(database: str, subject: object, clip: object, emotion: object) -> str | LeftOut:
    """The class of a clip in the composite of MEGC 2019 (442 clips, 68 subjects), or why it is not in it.

    SMIC: all, by the clip's name. CASME II: disgust and repression are negative; others, fear, sadness and two clips
    whose onset is their apex are left out. SAMM: all but Other.

    Args:
        database: casme2, samm or smic.
        subject: identity, in any usual spelling.
        clip: name within the subject, or with it.
        emotion: as its table writes it; the three classes are understood, too.

    Raises:
        ValueError: another database, or no such subject or clip.

    Source: See et al., MEGC 2019, DOI 10.1109/FG.2019.8756611; the two exceptions are those of published lists.

    >>> composite2019("casme2", "sub01", "EP19_05f", "disgust"), composite2019("smic", "s1", "s1_sur_01", None)
    ('negative', 'surprise')
    >>> composite2019("samm", "025", "025_3_1", "Other").reason
    'others is no class of composite2019 in samm'
    """
    named = clip_name(database, subject, clip)
    if named in _EXCEPTIONS:
        return LeftOut(f"left out of composite2019, as {_EXCEPTIONS[named]}")
    if database == "smic":
        return smic.emotion_of(named.clip)
    try:
        word = emotion_name(emotion)
    except ValueError as error:
        return LeftOut(str(error))
    if word is None:
        return LeftOut("no emotion is annotated")
    if word in _NEGATIVE[database]:
        return "negative"
    return _OTHER_CLASSES.get(word) or LeftOut(f"{word} is no class of composite2019 in {database}")


def with_composite2019(dataset: "Dataset") -> "Dataset":
    """The samples of a database that are in the composite, in its three classes; the others join the drop list.

    Args:
        dataset: of casme2, samm or smic, with its own emotions: not yet mapped to classes, as 3 classes hold clips that
            the composite does not.

    Raises:
        ValueError: another database, or no sample is left.
    """
    from data.dataset import emotions_of, with_labels

    rows = zip(dataset.subject, dataset.clip, emotions_of(dataset), strict=True)
    labels = [composite2019(dataset.database, *row) for row in rows]
    return with_labels(dataset, THREE, labels, "composite2019")
