"""CASME II: three versions of the table, an apex of ``/``, AUs of ``?``."""

from collections.abc import Sequence
from pathlib import Path

from data.annotations import Annotation, Columns, Table, matching
from data.frames import Footage, Tree, first_footage
from data.survey import Layout
from data.tables import the_table
from fedpsyau_jax.priors.action_units import ACTION_UNITS

COLUMNS = Columns(
    database="CASME II",
    required=("subject", "filename", "onset", "apex", "offset", "au", "emotion"),
    subject=matching(r"(?:sub)?0*(\d{1,2})", lambda found: f"sub{int(found[1]):02d}"),
    filename=matching(r"EP\w+", lambda found: found[0]),
    key=lambda subject, filename, onset: f"{subject}_{filename}",
    fps=200,
)


def read(tree: Tree, config: str, table: Path | None) -> Sequence[Table]:
    """The coding table."""
    del config
    return [the_table(tree, COLUMNS, table)]


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``sub01/EP02_01f/``, at the top or in a folder of the release (raw or cropped)."""
    place = annotation.subject, annotation.filename
    folders = (tree.find(*place, start=start) for start in (tree.root, *tree.folders(tree.root)))
    return first_footage(tree, folders, whole=True) or f"folder {'/'.join(place)}"


LAYOUT = Layout(
    title="CASME II",
    expected="expected: CASME2-coding-*.xlsx, and the frames as sub01/EP02_01f/img46.jpg (or reg_img46.jpg)",
    read=read,
    locate=locate,
    labelled=frozenset(ACTION_UNITS),
)
