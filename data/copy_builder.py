"""A real database as tfds builder: made from a user's own copy."""

import dataclasses
from contextlib import suppress
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from data.builder import MicroExpressionBuilder
from data.labels import EMOTIONS
from data.pipeline import Recipe, name_of
from data.survey import Choices, Layout, Survey, survey
from fedpsyau_jax.vision.detection import Landmarker, MissingFacesExtraError, dlib_landmarker
from fedpsyau_jax.vision.sample import Settings
from fedpsyau_jax.vision.spotting import spot_apex


@dataclasses.dataclass(kw_only=True)
class CopyConfig(tfds.core.BuilderConfig):
    """Which part of a database."""


class CopyBuilder(MicroExpressionBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A database that users bring themselves.

    Args of the constructor, besides those of ``MicroExpressionBuilder``: ``manual_dir``, the copy (needed to
    build, not to read); ``choices``, what the user decides about reading it; ``landmarker``, finds the 68
    points where there is no landmark file (by default dlib's, if it is installed); ``vision``, the pipeline's
    settings; ``found``, the survey of the copy, if it was made already. ``choices`` and ``vision`` of None are
    built by default, and accepted as they are found on the disk.
    """

    layout: Layout
    class_names = EMOTIONS

    def __init__(
        self,
        *,
        manual_dir: str | Path | None = None,
        choices: Choices | None = None,
        landmarker: Landmarker | None = None,
        vision: Settings | None = None,
        found: Survey | None = None,
        **options: Any,
    ) -> None:
        """Set up the builder."""
        self.manual_dir = None if manual_dir is None else Path(manual_dir).expanduser()
        self.asked = (choices, vision)
        self.found = found
        self.landmarker = landmarker or installed_landmarker()
        self.choices = dataclasses.replace(choices or Choices(), detects=self.landmarker is not None)
        super().__init__(**options)

    @property
    def settings(self) -> Settings:
        """The vision pipeline's choices."""
        return self.asked[1] or Settings()

    @property
    def skip_broken(self) -> bool:
        """As the user chose."""
        return self.choices.skip_broken

    @property
    def how(self) -> Recipe:
        """Also how faces and apexes are found."""
        return Recipe(self.settings, self.landmarker, spot_apex)

    def recipe(self) -> dict[str, Any]:
        """Also what becomes of rows without an apex."""
        return super().recipe() | {"apex": name_of(self.choices.apex)}

    def demands(self) -> dict[str, Any]:
        """What was asked for; without a copy nothing can be made again, so anything will do."""
        if self.manual_dir is None:
            return {}
        recipe, (choices, vision) = self.recipe(), self.asked
        needless = ([] if choices else ["apex"]) + ([] if vision else ["pipeline"])
        return {name: value for name, value in recipe.items() if name not in needless}

    def survey(self) -> Survey:
        """What the copy holds.

        Raises:
            ValueError: no copy is named.
        """
        if self.found is not None:
            return self.found
        if self.manual_dir is None:
            full_name, title = f"{self.name}/{self.builder_config.name}", self.layout.title
            raise ValueError(f"{full_name} is not built here yet: name your copy of {title} with --manual-dir")
        return survey(self.layout, self.manual_dir, self.builder_config.name, self.choices)

    def clips_to_make(self, dl_manager: tfds.download.DownloadManager) -> Survey:
        """The copy, or what lies in tfds's own folder for such copies."""
        if self.manual_dir is None:
            with suppress(AssertionError):  # there is no such folder
                self.manual_dir = Path(dl_manager.manual_dir)
        return self.survey().usable()


def installed_landmarker() -> Landmarker | None:
    """The detector of the extra ``faces``, if it is installed."""
    try:
        return dlib_landmarker()
    except MissingFacesExtraError:
        return None
