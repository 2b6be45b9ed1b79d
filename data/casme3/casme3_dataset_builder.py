"""CAS(ME)^3, Parts A and C: see ``layout.py`` for where the files lie."""

import tensorflow_datasets as tfds

from data.annotations import Annotation
from data.casme3.layout import LAYOUT
from data.copy_builder import CopyBuilder, CopyConfig


class Builder(CopyBuilder):
    """CAS(ME)^3."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (tfds reads class attributes)
    BUILDER_CONFIGS = [  # noqa: RUF012
        CopyConfig(name="part_a", description="Part A, depth unused."),
        CopyConfig(name="part_c", description="Part C, the mock crime; no apex is annotated."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT.expected
    layout = LAYOUT
    labelled_action_units = LAYOUT.labelled

    def site_of(self, annotation: Annotation) -> str:
        """The part of the database."""
        del annotation
        return str(self.builder_config.name)
