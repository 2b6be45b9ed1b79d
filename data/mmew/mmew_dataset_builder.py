"""MMEW: see ``layout.py`` for where the files lie."""

import tensorflow_datasets as tfds

from data.copy_builder import CopyBuilder, CopyConfig
from data.mmew.layout import LAYOUT


class Builder(CopyBuilder):
    """MMEW."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (tfds reads class attributes)
    BUILDER_CONFIGS = [CopyConfig(name="all", description="All micro-expressions of the coding table.")]  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT.expected
    layout = LAYOUT
    labelled_action_units = LAYOUT.labelled
