"""Options of experiments.predict; their docstring is the text of ``--help``."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from experiments.inputs.ranges import AMOUNT, RATE
from experiments.run.folder import RunFolder


@dataclass(frozen=True)
class Options:
    """Read clips with the networks of finished runs.

    Attributes:
      runs: Folders of finished runs with networks; all networks together are one ensemble.
      clip: A video, a folder of numbered frames, or a folder of such clips.
      onset: Number of the neutral frame of the clip, by default its first; or, with --apex, a picture.
      apex: Number of the frame of the strongest expression, by default spotted; or a picture.
      row: Title of the row of the runs' tables whose networks to take; by default all rows.
      fps: Frames a second of pictures, or of a video whose container is wrong.
      kind: Whether it is a short clip of one expression, or a long video to search; by default told from its length.
      false_events: False events a minute to put up with in a long video.
      landmarks: Landmark files: a table of all frames, or a folder with a file for each.
      landmarker: Your own module:function from a grey picture to 68 points; by default that of the extra faces.
      annotate: Write a video with face, events and action units drawn into it.
      json: Print what is found as JSON.
      output: Folder for the results; it must not exist. By default runs/predict-DATE-TIME.
      resume: Go on with an interrupted reading in this folder.
      data_dir: Folder of the runs' data; by default TFDS_DATA_DIR, else tfds's own.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]] = ()
    clip: Path | None = None
    onset: str | None = None
    apex: str | None = None
    row: str | None = None
    fps: Annotated[float, RATE] | None = None
    kind: Literal["auto", "clip", "video"] = "auto"
    false_events: Annotated[float, AMOUNT] = 2.0
    landmarks: Path | None = None
    landmarker: str | None = None
    annotate: bool = True
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    output: Path | None = None
    resume: Path | None = None
    data_dir: Path | None = None

    @property
    def pictures(self) -> tuple[Path, Path] | None:
        """The two pictures of a clip; None if there is ``clip``."""
        return None if self.clip or not self.onset or not self.apex else (Path(self.onset), Path(self.apex))

    def stored(self) -> dict[str, Any]:
        """What config.json holds of them: what can be resumed."""
        return {
            name: [str(one) for one in value] if name == "runs" else str(value) if isinstance(value, Path) else value
            for name, value in asdict(self).items()
            if name not in ("output", "resume")
        }


PATHS = ("clip", "landmarks", "data_dir")


def from_stored(folder: RunFolder) -> Options:
    """The options of an earlier reading.

    Raises:
      ValueError: the folder is of another command, or of another version.
    """
    config = folder.read_facts("config.json", "experiment", "settings")
    if config["experiment"] != "predict":
        raise ValueError(f"{folder.path} is a run of experiments.{config['experiment']}, not of experiments.predict")
    stored = config["settings"]
    if unknown := stored.keys() - {field.name for field in fields(Options)}:
        raise ValueError(
            f"its config.json has {', '.join(sorted(unknown))}, which this version does not know; start anew"
        )
    values = dict(stored)
    values |= {name: Path(values[name]) for name in PATHS if values.get(name)}
    return Options(**values | {"runs": tuple(map(Path, values.get("runs", ())))})
