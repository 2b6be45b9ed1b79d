"""How to choose the apex of a clip whose apex is not annotated, or is the same frame as its onset."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from data.annotations import Annotation

APEX_KINDS = ("annotated", "spotted", "midpoint")


class Apex(NamedTuple):
    """The apex frame, None where it is still to be spotted, and how it came about (one of ``APEX_KINDS``)."""

    frame: int | None
    kind: str


ApexPolicy = Callable[[Annotation], Apex | str]


def choose_apex(annotation: Annotation, policy: ApexPolicy) -> Apex | str:
    """The annotated apex if it is usable, else what the policy says: an apex, or why the row is dropped.

    Args:
        annotation: with the frames that are known.
        policy: for rows without a usable apex.
    """
    onset, apex = annotation.onset, annotation.apex
    if onset is None:
        return "no onset is annotated"
    if apex is None or apex == onset:
        return policy(annotation)
    return Apex(apex, annotation.apex_kind)


def within(annotation: Annotation) -> tuple[Annotation, list[str]]:
    """Remove an impossible apex or offset from an annotation, with a note about each.

    An offset before the onset is unknown. An apex before the onset or behind the offset is none.

    >>> within(Annotation(2, "s", "f", "s_f", 10, 9, 20, 30, "fear", None))[1]
    ['the apex 9 lies outside 10 to 20: taken as none']
    """
    onset, apex, offset = annotation.onset, annotation.apex, annotation.offset
    notes = []
    if offset is not None and offset < (onset or 0):
        notes.append(f"offset {offset} lies before the onset {onset}: taken as unknown")
        offset = None
    if apex is not None and (apex < (onset or 0) or (offset is not None and apex > offset)):
        last = "the end" if offset is None else offset
        notes.append(f"the apex {apex} lies outside {onset or 0} to {last}: taken as none")
        apex = None
    return annotation._replace(apex=apex, offset=offset), notes


def drop(annotation: Annotation) -> str:
    """No sample."""
    return "no apex is annotated" if annotation.apex is None else "onset and apex are the same frame"


def midpoint(annotation: Annotation) -> Apex | str:
    """ceil((onset + offset) / 2), as a copy of CAS(ME)^3's table that circulates has it."""
    if annotation.onset is None or annotation.offset is None or annotation.offset <= annotation.onset:
        return f"{drop(annotation)}, and there is no offset to take the midpoint"
    return Apex(-((annotation.onset + annotation.offset) // -2), "midpoint")


def spot(annotation: Annotation) -> Apex | str:
    """The frame that differs most from the onset, sought when the sample is made."""
    if annotation.onset is None or annotation.offset is None or annotation.offset <= annotation.onset:
        return f"{drop(annotation)}, and there is no offset to spot one before"
    return Apex(None, "spotted")


APEX_POLICIES: Mapping[str, ApexPolicy] = {"drop": drop, "midpoint": midpoint, "spot": spot}
