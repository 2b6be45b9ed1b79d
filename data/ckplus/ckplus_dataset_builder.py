"""CK+, from the first to the last frame of each sequence: see ``layout.py`` for where the files lie."""

import tensorflow_datasets as tfds

from data.ckplus.layout import LAYOUT
from data.copy_builder import CopyBuilder, CopyConfig


class Builder(CopyBuilder):
    """CK+, from the first to the last frame of each sequence."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (tfds reads class attributes)
    BUILDER_CONFIGS = [CopyConfig(name="all", description="All sequences.")]  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT.expected
    layout = LAYOUT
    labelled_action_units = LAYOUT.labelled
