"""What a reader must make of a synthetic copy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from fedpsyau_jax.synthesis.muscles import Side

Problem = Literal["onset is apex", "no apex", "no face"]


class Row(NamedTuple):
    """One expression as a reader must understand it.

    Attributes:
        table: file that annotates it; None where the layout has no table (DISFA, CK+).
        row: line of that table, from 1.
        subject: identity, as folders spell it.
        filename: the clip within the subject.
        group: the release's part: A, B, C (DFME); train, test_A, test_B (its challenge); else empty.
        onset: first frame, after documented fixes.
        apex: annotated apex, after documented fixes; None where there is none.
        offset: last frame, after documented fixes.
        true_apex: frame in which the filmed expression is strongest.
        fps: frames a second.
        emotion: as the table says, lower case; None where there is none.
        action_units: AUs and the side that each is seen on (both: empty); None where they are unknown.
        ambiguous: the coder left a choice.
        uncertain: AUs between which the choice is.
        onset_file: picture or video that holds the onset, the nearest one if the frame is missing.
        apex_file: the same of the apex; None where there is no apex.
        nearest: whether a frame is missing, so that its nearest neighbour must be taken, and reported.
        landmarks: file with the 68 points of the onset's picture; None if not written.
        problem: why the row becomes no sample unless a policy for such rows says otherwise; None for a sample.
        quirk: what is odd about it; empty for an ordinary row.
    """

    table: Path | None
    row: int
    subject: str
    filename: str
    group: str
    onset: int
    apex: int | None
    offset: int
    true_apex: int
    fps: int
    emotion: str | None
    action_units: Mapping[int, Side] | None
    ambiguous: bool
    uncertain: tuple[int, ...]
    onset_file: Path
    apex_file: Path | None
    nearest: bool
    landmarks: Path | None
    problem: Problem | None
    quirk: str


class Truth(NamedTuple):
    """A copy: where it is, its tables, and every row in the tables' order."""

    layout: str
    root: Path
    tables: tuple[Path, ...]
    rows: tuple[Row, ...]

    @property
    def samples(self) -> tuple[Row, ...]:
        """The rows that become samples under the default policy."""
        return tuple(row for row in self.rows if row.problem is None)

    @property
    def dropped(self) -> tuple[Row, ...]:
        """The rows that do not."""
        return tuple(row for row in self.rows if row.problem is not None)
