"""A session of experiments.predict: read the runs, then every clip, and write what is found."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from experiments.clips.annotated import write_annotated
from experiments.clips.conclusion import conclude
from experiments.clips.domain import distances, trained_on
from experiments.clips.faces import FaceFinder, found_by, from_files
from experiments.clips.footage import MOST_FPS, Footage, clips_at, two_pictures
from experiments.clips.memory import release
from experiments.clips.options import Options
from experiments.clips.parts import Earlier, earlier_parts, paused, remove_parts, write_part
from experiments.clips.pictures import event_picture, png
from experiments.clips.predictor import Predictor
from experiments.clips.reading import NothingToRead, Part, Reader, read_clip, read_video
from experiments.clips.results import Event, event_record, frame_rows
from experiments.clips.spotting import rate_for
from experiments.pages import clips as page
from experiments.run.environment import environment
from experiments.run.folder import RunFolder
from experiments.run.mistakes import INTERRUPTED, sentence
from experiments.run.progress import Stage, Stages, progress
from fedpsyau_jax.vision.detection import dlib_landmarker, landmarker_named

LONGEST_CLIP, MOST_FRAMES = 4.0, 150
"""Seconds, or frames if their rate is unknown, up to which something is a short clip."""
PART_ROWS = 4000
"""Rows that are held before they are written."""


def check(options: Options) -> None:
    """Refuse options that do not fit together, before anything is read.

    Raises:
      ValueError: what is wrong, in one sentence.
    """
    if not options.runs:
        raise ValueError("name a finished run: python -m experiments.predict RUN --clip PATH")
    if options.clip is None and not options.pictures:
        raise ValueError("say what to read: --clip PATH, or the two pictures --onset A --apex B")
    if options.fps and options.fps > MOST_FPS:
        raise ValueError(f"--fps={options.fps:g}: no more than {MOST_FPS:g} frames a second can be read")
    if options.landmarks and options.landmarker:
        raise ValueError("give --landmarks or --landmarker, not both")
    for name in ("onset", "apex"):
        value = getattr(options, name)
        if value is not None and options.kind == "video":
            raise ValueError(f"--{name}={value}: it is of a short clip; leave it out, or --kind=video")
        if options.clip is not None and value is not None and not value.isdecimal():
            raise ValueError(f"--{name}={value}: with --clip it is the number of a frame")


def predict(options: Options, folder: RunFolder) -> int:
    """Read all clips; returns the exit status.

    Raises:
      ValueError, OSError: a run or a clip cannot be read; in one sentence.
    """
    clips = _clips(options)
    kinds = [kind_of(clip, options) for clip in clips]
    finders = [_finder(options, clip) for clip in clips]
    try:
        with progress() as stages:
            predictor = Predictor(*options.runs, data_dir=options.data_dir, row=options.row, stages=stages)
            if len(clips) > 1 or "video" in kinds:  # what is read of these must outlive a broken clip
                _record(folder, predictor, options)
            trained = trained_on(predictor.ensemble.datasets)
            folders = _folders(folder, clips)
            if not all(own.has("result.json") for own in folders):
                _compile(predictor, stages)
            for clip, kind, find, own in zip(clips, kinds, finders, folders, strict=True):
                if not own.has("result.json"):
                    reader = Reader(predictor, find, options.false_events)
                    _read(reader, clip, kind, own, options, trained, stages, alone=len(clips) == 1)
                remove_parts(own)
                _record(folder, predictor, options)
                if options.annotate and own.has("frames.csv") and not own.has("annotated.mp4"):
                    _annotate(clip, own, stages)
    except KeyboardInterrupt:
        Console(stderr=True).print(f"What is read is kept; go on with --resume={folder.path}", soft_wrap=True)
        return INTERRUPTED
    written = page.write(folder)
    if options.json:
        print(json.dumps(page.read(folder).results, indent=2))
    else:
        page.show(folder, written, Console())
    return 0


def _compile(predictor: Predictor, stages: Stages) -> None:
    """Compile before any frame is held, one program after the other: compiling takes the most memory of all."""
    release()  # what reading the runs left
    with stages.stage("compiling"):
        for compile_one in (predictor.compile_flow, predictor.compile_networks):
            compile_one()
            release()


def _clips(options: Options) -> list[Footage]:
    if options.pictures:
        return [two_pictures(*options.pictures)]
    assert options.clip is not None
    clips = clips_at(options.clip, options.fps)
    names = [clip.name for clip in clips]
    twice = {name for name in names if names.count(name) > 1}
    clips = [replace(clip, name=clip.path.name) if clip.name in twice else clip for clip in clips]
    if len(clips) > 1 and (options.onset or options.apex):
        raise ValueError(f"--onset and --apex are of one clip, and {options.clip} holds {len(clips)}")
    return clips


def _finder(options: Options, clip: Footage) -> FaceFinder:
    if options.landmarks:
        return from_files(options.landmarks, clip.name)
    if options.landmarker:
        return found_by(landmarker_named(options.landmarker), options.landmarker)
    return found_by(dlib_landmarker(), "dlib")


def _folders(folder: RunFolder, clips: Sequence[Footage]) -> list[RunFolder]:
    if len(clips) == 1:
        return [folder]
    return [RunFolder(folder.path / "clips" / clip.name) for clip in clips]


def _record(folder: RunFolder, predictor: Predictor, options: Options) -> None:
    ensemble, rate = predictor.ensemble, rate_for(options.false_events)
    folder.write_json("environment.json", environment())
    facts = {
        "runs": list(ensemble.runs),
        "networks": [member.title for member in ensemble.members],
        "class_names": list(ensemble.class_names),
        "au_names": list(ensemble.au_names),
        "synthetic": ensemble.synthetic,
        "recipe": predictor.settings.description(),
        "spotting": rate._asdict() | {"strictness": rate.strictness._asdict()},
    }
    folder.write_json("data.json", facts)


def _read(
    reader: Reader,
    clip: Footage,
    kind: str,
    folder: RunFolder,
    options: Options,
    trained: np.ndarray,
    stages: Stages,
    *,
    alone: bool,
) -> None:
    """Read a clip, or what is left of it, into its folder; one of several that is broken does not stop the others."""
    earlier = paused(folder, reader.predictor.settings.square) if kind == "video" else earlier_parts(folder)
    notes, abstained = list(clip.notes), list[str]()
    with stages.stage(f"reading {clip.name}", clip.stated or None, done=earlier.frames, unit="frame") as stage:
        try:
            if kind == "video":
                _read_parts(reader, clip, folder, earlier, trained, stage)
            elif not earlier.frames:
                onset, apex = (
                    None if options.pictures or one is None else int(one) for one in (options.onset, options.apex)
                )
                part = read_clip(reader, clip, onset, 2 if options.pictures else apex)
                rows, records = _written(reader, clip, folder, part, trained)
                write_part(folder, 0, pd.DataFrame(rows), records)
                stage.advance(len(rows))
        except (ValueError, OSError) as error:
            if alone and not isinstance(error, NothingToRead):
                raise
            abstained.append(sentence(error))
    conclude(reader.predictor.ensemble, clip, folder, kind, notes, abstained)


def kind_of(clip: Footage, options: Options) -> str:
    """Whether something is a short clip, or a video to search.

    Raises:
      ValueError: a video has no frame rate.
    """
    kind: str = options.kind
    if kind == "auto":
        most = LONGEST_CLIP * clip.fps if clip.fps else MOST_FRAMES
        marked = options.onset or options.apex
        kind = "clip" if marked or 0 < clip.stated <= most else "video"
    if kind == "video" and not clip.fps:
        raise ValueError(f"{clip.path}: give --fps, as nothing says how many frames a second it has")
    return kind


def _read_parts(
    reader: Reader, clip: Footage, folder: RunFolder, earlier: Earlier, trained: np.ndarray, stage: Stage
) -> None:
    """Read a video, and write it part by part, each ending between two events."""
    done, rows, records = earlier.frames, list[dict[str, Any]](), list[dict[str, Any]]()
    for part in read_video(reader, clip, done, len(earlier.events) + 1, earlier.pause):
        new, found = _written(reader, clip, folder, part, trained)
        rows, records = [*rows, *new], [*records, *found]
        stage.advance(len(new))
        ends = max((event["offset"] for event in records), default=0)
        if len(rows) >= PART_ROWS and rows[-1]["frame"] >= ends:
            write_part(folder, done, pd.DataFrame(rows), records, part.pause)
            done, rows, records = done + len(rows), [], []
    if rows:
        write_part(folder, done, pd.DataFrame(rows), records, part.pause)


def _written(
    reader: Reader, clip: Footage, folder: RunFolder, part: Part, trained: np.ndarray
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the frames and records of the events of a part; the events are drawn, so that no picture is held on."""
    ensemble, records = reader.predictor.ensemble, []
    for event in part.events:
        first, _, _ = event.entries
        side = first.seen.box.side if first.seen.box else None
        measures = distances(ensemble.datasets, trained, event.reading.sample, clip.fps, side)
        records.append(event_record(event, measures))
        _draw(reader, folder, event)
    return frame_rows(part.entries, part.marks, ensemble.au_names), records


def _draw(reader: Reader, folder: RunFolder, event: Event) -> None:
    onset, apex, _ = (entry.seen for entry in event.entries)
    if onset.picture is None or apex.picture is None:
        return
    aus = {name: score.mean for name, score in event.reading.aus.items()}
    labels = (f"onset, frame {onset.number}", f"apex, frame {apex.number}")
    picture = event_picture(onset, apex, aus, reader.predictor.settings, labels)
    folder.write_bytes(f"pictures/event_{event.number:04d}.png", png(picture))


def _annotate(clip: Footage, folder: RunFolder, stages: Stages) -> None:
    result = folder.read_json("result.json")
    labels: dict[int, str] = {event["event"]: page.label_of(event) for event in result["events"]}
    with stages.stage(f"drawing {clip.name}", result["num_frames"], unit="frame") as stage:
        write_annotated(clip, folder.path / "frames.csv", folder.path / "annotated.mp4", labels, stage)
