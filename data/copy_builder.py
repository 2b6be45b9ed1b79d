"""The tfds builder of a real database, which is made from the user's own copy."""

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from data.builder import MicroExpressionBuilder
from data.labels import EMOTIONS
from data.origin import OF_CHOICES, OPTIONS, as_recorded, origin_digest, recorded
from data.pipeline import Recipe, name_of
from data.survey import Choices, CopyError, Layout, Survey, survey
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
        return super().recipe() | {"apex": name_of(self.choices.apex or self.layout.apex)}

    def demands(self) -> dict[str, Any]:
        """What was asked for, of the copy that is named; without one nothing can be made again, so anything will do.

        Raises:
            ValueError: there is no such copy; or the dataset on disk was made otherwise, of another copy or by another
                recipe, and made again it would lose what was decided about it.
        """
        if self.manual_dir is None:
            return {}
        recipe, (choices, vision) = self.recipe(), self.asked
        needless = ([] if choices else ["apex"]) + ([] if vision else ["pipeline"])
        wanted = {name: value for name, value in recipe.items() if name not in needless}
        if self.found is None:
            wanted |= self._origin_now()
            self._check_nothing_is_lost(wanted)
        return wanted

    def origin(self) -> dict[str, Any]:
        """The copy, and what was decided about reading it."""
        told: dict[str, Any] = {"choices": recorded(self.choices)}
        if self.manual_dir is not None:
            told["origin_sha256"] = origin_digest(self.layout, self.manual_dir, self.builder_config.name, self.choices)
        return told

    def _origin_now(self) -> dict[str, Any]:
        """The digest of the copy that is named, read as the dataset on disk was unless the user says otherwise."""
        choices = self.choices if self.asked[0] else as_recorded(self.info.metadata.get("choices", {}))
        try:
            digest = origin_digest(self.layout, Path(self.manual_dir or ""), self.builder_config.name, choices)
        except CopyError as error:
            (told, *_) = str(error).splitlines()
            raise ValueError(f"{told}; or leave --manual-dir out to use {self.data_dir} as it is") from error
        return {"origin_sha256": digest}

    def _check_nothing_is_lost(self, wanted: Mapping[str, Any]) -> None:
        """What was decided about the dataset on disk, and is not asked for again, must not be lost by a new build."""
        made, (choices, vision) = self.info.metadata, self.asked
        differing = [name for name, value in wanted.items() if made.get(name) != value]
        before = {**made, **made.get("choices", {})}
        now = self.recipe() | self.how.finders() | recorded(self.choices)
        unasked = [*([] if choices else OF_CHOICES), *([] if vision else ["pipeline"]), "landmarker"]
        lost = [OPTIONS[name] for name in unasked if name in before and before[name] != now[name]]
        if differing and lost:
            other = "origin_sha256" in differing
            how = (
                f"of another copy or table than {self.manual_dir}"
                if other
                else f"with another {' and '.join(differing)}"
            )
            raise ValueError(
                f"{self.data_dir} was made {how}, and with options of its own ({', '.join(lost)}): make it again by "
                f"`python -m data.prepare {self.name}` with these, or leave --manual-dir out to use it as it is"
            )

    def survey(self) -> Survey:
        """The survey of the copy.

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
