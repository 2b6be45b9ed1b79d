"""CASME II: three versions of the table, an apex of ``/``, AUs of ``?``."""

from itertools import chain

from data.annotations import Annotation, Columns, matching
from data.frames import Footage, Tree, in_subject_folder
from data.survey import Layout
from data.tables import only_table
from data.videos import video_footage
from fedpsyau_jax.priors.action_units import ACTION_UNITS

COLUMNS = Columns(
    database="CASME II",
    required=("subject", "filename", "onset", "apex", "offset", "au", "emotion"),
    subject=matching(r"(?:sub[\s_]*)?0*(\d{1,2})", lambda found: f"sub{int(found[1]):02d}"),
    filename=matching(r"EP\w+", lambda found: found[0]),
    key=lambda subject, filename, onset: f"{subject}_{filename}",
    fps=200,
    file="casme2-coding*",
)


def locate(tree: Tree, annotation: Annotation) -> Footage | str:
    """``sub01/EP02_01f/`` (raw or cropped), or ``sub01/EP02_01f.avi`` (compressed), at any depth."""
    found = in_subject_folder(tree, annotation.subject, annotation.filename)
    if isinstance(found, Footage) and found.frames:
        return found
    videos = (video for video in tree.videos(annotation.filename) if video.parent.name.lower() == annotation.subject)
    video = next(chain(videos, tree.videos(f"{annotation.subject}_{annotation.filename}")), None)
    return video_footage(video, annotation) if video else found


LAYOUT = Layout(
    title="CASME II",
    expected="expected: CASME2-coding-*.xlsx, and the frames as sub01/EP02_01f/img46.jpg (or reg_img46.jpg), "
    "or the clips as sub01/EP02_01f.avi",
    read=only_table(COLUMNS),
    locate=locate,
    labelled=frozenset(ACTION_UNITS),
)
