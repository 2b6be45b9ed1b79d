"""Whether predictions are of the clips of a protocol that others report scores on: the composite of MEGC 2019."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from data.known_clips import COUNTS, Classed, compare
from data.labels import THREE
from data.protocols import COMPOSITE2019, clip_name
from experiments.inputs.predictions.values import ClipPredictions

NO_PROTOCOL = "the clips are those of no known protocol (composite2019 of MEGC 2019), so published scores are of others"


class ProtocolCheck(NamedTuple):
    """What agrees with a known protocol, and what does not, in sentences without full stops."""

    agrees: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


def check_protocol(predictions: ClipPredictions) -> ProtocolCheck:
    """Compare the clips of each algorithm and repeat with those of composite2019, or of one database of it.

    Clips are compared by their names; where a file names none, the number of clips of each class is compared.
    """
    if predictions.synthetic:
        return ProtocolCheck()
    groups = predictions.table.groupby(["algorithm", "repeat"], sort=False)
    checks = {" ".join(filter(None, map(str, key))): _check(rows) for key, rows in groups}
    if len(set(checks.values())) == 1:
        return next(iter(checks.values()))
    return ProtocolCheck(differs=tuple(f"{who}: {told}" for who, check in checks.items() for told in check.differs))


def _check(rows: pd.DataFrame) -> ProtocolCheck:
    if rows["clip"].str.startswith("row ").all():
        return _check_counts(rows)
    clips = list(_named(rows))
    if not clips:
        return ProtocolCheck(differs=(NO_PROTOCOL,))
    found = compare(clips)
    differs = [told] if (told := found.told()) else []
    if others := len(rows) - len(clips):
        differs.append(f"{others} of {len(rows)} clips have names of no database of composite2019")
    if differs:
        return ProtocolCheck(differs=tuple(differs))
    return ProtocolCheck(agrees=(f"the clips are the {found.num_known} of {found.protocol}",))


def _named(rows: pd.DataFrame) -> Iterator[Classed]:
    """Clips with the names of a database of the composite, and their classes."""
    columns = (rows[name].astype(str) for name in ("database", "subject", "clip", "label"))
    for database, subject, clip, label in zip(*columns, strict=True):
        try:
            yield clip_name(database, subject, clip), label
        except ValueError:
            continue


def _check_counts(rows: pd.DataFrame) -> ProtocolCheck:
    here = _in_classes(Counter(rows["label"]))
    known = {name: _in_classes(_counts([name])) for name in COMPOSITE2019} | {
        "composite2019": _in_classes(_counts(COMPOSITE2019))
    }
    fitting = [name if name == "composite2019" else f"{name} of composite2019" for name in known if known[name] == here]
    if fitting and set(rows["label"]) <= {*THREE}:
        return ProtocolCheck(agrees=(f"there are as many clips of each class as in {fitting[0]}; no clip is named",))
    return ProtocolCheck(differs=(NO_PROTOCOL,))


def _counts(databases: list[str] | tuple[str, ...]) -> Counter[str]:
    return sum((Counter(counts) for name in databases for counts in COUNTS[name].values()), Counter[str]())


def _in_classes(counts: Counter[str]) -> tuple[int, ...]:
    return tuple(counts[name] for name in THREE)
