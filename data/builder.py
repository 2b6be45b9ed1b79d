"""What every database's tfds builder shares: features, metadata, array_record without TensorFlow."""

import platform
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds

from data.annotations import Table, TableError
from data.pipeline import APEX_KINDS, Clip, Dropped, Prepared, au_targets, prepare_all
from data.progress import Progress, progress_bar
from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.vision.patches import PATCH_SIZE
from fedpsyau_jax.vision.sample import Settings

NO_EMOTION = -1
_NUM_LANDMARKS = 65


class MicroExpressionBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A database of onset-apex pairs; a subclass finds its clips and yields ``self.examples(...)``.

    Args of the constructor, besides tfds's own: ``progress``, how work is shown, and ``num_workers``,
    processes (default: all cores).
    """

    class_names: tuple[str, ...] = ()
    synthetic: bool = False
    labelled_action_units: frozenset[int] = frozenset(ACTION_UNITS)
    url_infos: dict[str, Any] = {}  # noqa: RUF012 (tfds's own needs importlib_resources)

    def __init__(
        self,
        *,
        file_format: str | None = "array_record",
        progress: Progress = progress_bar,
        num_workers: int | None = None,
        **options: Any,
    ) -> None:
        """Set up the builder; array_record is the format that needs no TensorFlow."""
        super().__init__(file_format=file_format, **options)
        self.progress, self.num_workers = progress, num_workers

    def recipe(self) -> dict[str, Any]:
        """What the samples depend on besides the raw files; a dataset of another recipe is made again."""
        return {"pipeline": self.settings.description(), "opencv": cv2.__version__}

    @property
    def settings(self) -> Settings:
        """The vision pipeline's choices."""
        return Settings()

    def _info(self) -> tfds.core.DatasetInfo:
        size, num_aus = self.settings.flow_size, len(ACTION_UNITS)
        features = tfds.features
        window = (_NUM_LANDMARKS, PATCH_SIZE, PATCH_SIZE, 3)
        return self.dataset_info_from_configs(
            features=features.FeaturesDict(
                {
                    "flow": features.Tensor(shape=(size, size, 3), dtype=np.float32),
                    "patches": features.Tensor(shape=window, dtype=np.float32),
                    "au": features.Tensor(shape=(num_aus,), dtype=np.float32),
                    "au_mask": features.Tensor(shape=(num_aus,), dtype=np.float32),
                    "emotion": features.ClassLabel(names=list(self.class_names)),
                    "subject": features.Text(),
                    "clip": features.Text(),
                    "fps": features.Scalar(dtype=np.int32),
                    "frames": {name: features.Scalar(dtype=np.int32) for name in ("onset", "apex", "offset")},
                    "apex_kind": features.ClassLabel(names=list(APEX_KINDS)),
                    "landmarks": features.Tensor(shape=(_NUM_LANDMARKS, 2), dtype=np.float32),
                }
            ),
            metadata=tfds.core.MetadataDict(self.recipe(), libraries=library_versions()),
            disable_shuffling=True,
        )

    def examples(self, table: Table, found: Sequence[Clip | Dropped]) -> Iterator[tuple[int, dict[str, Any]]]:
        """(key, example) of every clip found; the table's hash and the drop list go to the metadata."""
        dropped = [item._asdict() for item in found if isinstance(item, Dropped)]
        self.info.metadata.update(table=table.path.name, table_sha256=table.sha256, dropped=dropped)
        clips = [item for item in found if isinstance(item, Clip)]
        self._check_emotions(table, clips)
        for prepared in prepare_all(clips, self.settings, self.progress, self.num_workers):
            yield prepared.clip.annotation.row, self._example(prepared)

    def _check_emotions(self, table: Table, clips: Sequence[Clip]) -> None:
        for annotation in (clip.annotation for clip in clips):
            if annotation.emotion is not None and annotation.emotion not in self.class_names:
                known = ", ".join(self.class_names)
                raise TableError(
                    f"{table.path}, row {annotation.row}: emotion {annotation.emotion!r} is none of {known}"
                )

    def _example(self, prepared: Prepared) -> dict[str, Any]:
        clip, sample = prepared
        annotation = clip.annotation
        return {
            **sample._asdict(),
            **au_targets(annotation, ACTION_UNITS, self.labelled_action_units),
            "emotion": NO_EMOTION if annotation.emotion is None else annotation.emotion,
            "subject": annotation.subject,
            "clip": annotation.clip,
            "fps": annotation.fps,
            "frames": {"onset": annotation.onset, "apex": annotation.apex, "offset": annotation.offset},
            "apex_kind": clip.apex_kind,
        }


def library_versions() -> dict[str, str]:
    """Versions of what the samples were made with, besides OpenCV, which is in the recipe."""
    return {"python": platform.python_version(), "numpy": np.__version__, "tfds": tfds.__version__}
