"""DFME, the full release and the challenge release: see ``layout.py`` for where the files lie."""

import tensorflow_datasets as tfds

from data.annotations import Annotation
from data.copy_builder import CopyBuilder, CopyConfig
from data.dfme.layout import LAYOUT, subset_of


class Builder(CopyBuilder):
    """DFME, the full release and the challenge release."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (tfds reads class attributes)
    BUILDER_CONFIGS = [  # noqa: RUF012
        CopyConfig(name="all", description="All parts of the full release."),
        CopyConfig(name="A", description="DFME-A: part A, and part D at 500 fps [inferred]."),
        CopyConfig(name="B", description="DFME-B: part B [inferred]."),
        CopyConfig(name="C", description="DFME-C: part C, and part D at 200 fps [inferred]."),
        CopyConfig(name="challenge", description="The challenge release (CCAC 2024), all three sets."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT.expected
    layout = LAYOUT
    labelled_action_units = LAYOUT.labelled

    def site_of(self, annotation: Annotation) -> str:
        """The subset that a clip belongs to."""
        return subset_of(annotation)
