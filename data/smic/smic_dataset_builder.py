"""SMIC, HS camera: see ``layout.py`` for where the files lie."""

import tensorflow_datasets as tfds

from data.copy_builder import CopyBuilder, CopyConfig
from data.smic.layout import LAYOUT


class Builder(CopyBuilder):
    """SMIC."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (tfds reads class attributes)
    BUILDER_CONFIGS = [  # noqa: RUF012
        CopyConfig(name="hs", description="SMIC-HS, cropped or raw pictures: whichever are there."),
        CopyConfig(name="cropped", description="SMIC-HS, pictures cropped to the face."),
        CopyConfig(name="raw", description="SMIC-HS, whole pictures."),
        CopyConfig(name="e_hs", description="SMIC-E, HS camera: the intervals of its table that are clips of SMIC-HS."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT.expected
    layout = LAYOUT
    labelled_action_units = LAYOUT.labelled
