"""What is said of every copy of SMIC: apexes, and which clips of SMIC-HS are not there."""

from collections.abc import Iterable, Iterator

from data.known_clips import compare, few
from data.protocols import ClipName
from data.smic.names import emotion_of


def remarks_on(clips: Iterable[str]) -> Iterator[str]:
    """Remarks on the clips of a copy, a line each."""
    yield "SMIC marks no apex: it is the midpoint of onset and offset, unless --apex says otherwise"
    found = compare([(ClipName("smic", clip.split("_")[0], clip), emotion_of(clip)) for clip in clips])
    if found.missing:
        missing = few([name.removeprefix("smic ") for name in found.missing])
        yield f"{len(found.missing)} of the {found.num_known} clips of SMIC-HS are not here: {missing}"
    if found.extra:
        yield f"not known as clips of SMIC-HS: {few([name.removeprefix('smic ') for name in found.extra])}"
