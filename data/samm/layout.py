"""SAMM: a table whose header is on a later row."""

from data.annotations import Annotation, Columns, matching
from data.fixes import SAMM
from data.frames import Footage, Tree, in_subject_folder
from data.survey import Layout
from data.tables import only_table
from fedpsyau_jax.priors.action_units import ACTION_UNITS

COLUMNS = Columns(
    database="SAMM",
    required=("subject", "filename", "onset", "apex", "offset", "au", "emotion"),
    subject=matching(r"(?:sub[\s_]*)?0*(\d{1,3})", lambda found: f"{int(found[1]):03d}"),
    filename=matching(r"0*(\d{1,3})_(\d+)_(\d+)", lambda found: f"{int(found[1]):03d}_{found[2]}_{found[3]}"),
    key=lambda subject, filename, onset: filename,
    fps=200,
    file="*micro*",
    sheet="MICRO_ONLY",
    fixes=SAMM,
)


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``006/006_1_2/``, at the top or in the release's folder."""
    return in_subject_folder(tree, annotation.subject, annotation.filename)


LAYOUT = Layout(
    title="SAMM",
    expected="expected: SAMM_Micro_FACS_Codes_v2.xlsx, and the frames as 006/006_1_2/006_05562.jpg",
    read=only_table(COLUMNS),
    locate=locate,
    labelled=frozenset(ACTION_UNITS),
)
