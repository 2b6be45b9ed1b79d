"""A picture to check a dataset by eye: ``python -m data.contact_sheet OUTPUT.png``.

One row a clip: onset, apex, the flow as colour (hue = direction, saturation = length), and the aligned face
with the network's 65 landmarks and their windows.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from data.annotations import read_challenge_table
from data.pictures import read_grey, read_landmark_file
from data.pipeline import Clip, clips_of
from fedpsyau_jax.synthesis.challenge_layout import LANDMARKS, PICTURES
from fedpsyau_jax.vision.crop import crop, crop_points, face_box
from fedpsyau_jax.vision.landmarks import network_landmarks
from fedpsyau_jax.vision.patches import PATCH_SIZE, patch_corners
from fedpsyau_jax.vision.sample import Settings, flow_image

_TILE = 192
_FULL_COLOUR = 2.5  # pixels of motion on a 128-pixel face
_WHITE, _GREEN, _INK = (255, 255, 255), (80, 230, 80), (40, 40, 40)
Tile = UInt8[np.ndarray, "rows columns 3"]


def flow_colour(motion: Float[np.ndarray, "height width 2"], full: float = _FULL_COLOUR) -> Tile:
    """Motion as colour (BGR): hue is direction, saturation is full at ``full`` pixels, still is white."""
    length, angle = cv2.cartToPolar(motion[..., 0].astype(np.float32), motion[..., 1].astype(np.float32))
    hue = np.degrees(angle) / 2
    saturation = np.clip(255 * length / full, 0, 255)
    return cv2.cvtColor(np.dstack([hue, saturation, np.full_like(hue, 255)]).astype(np.uint8), cv2.COLOR_HSV2BGR)


def clip_row(clip: Clip, settings: Settings) -> Tile:
    """Onset, apex, flow and landmarks of a clip, side by side."""
    points, size = read_landmark_file(clip.landmarks), settings.face_size
    onset, apex = read_grey(clip.onset), read_grey(clip.apex)
    box = face_box(points)
    motion = flow_image(onset, apex, points, settings)
    face = cv2.cvtColor(crop(onset, box, size), cv2.COLOR_GRAY2BGR)
    frames = [_colour_tile(path) for path in (clip.onset, clip.apex)]
    flow = cv2.resize(flow_colour(motion[..., :2]), (_TILE, _TILE), interpolation=cv2.INTER_CUBIC)
    tiles = [*frames, flow, _with_windows(face, network_landmarks(crop_points(points, box, size)))]
    _label(tiles[0], clip)
    return np.hstack(tiles)


def _colour_tile(path: Path) -> Tile:
    picture = np.asarray(cv2.imread(str(path)), np.uint8)
    return np.asarray(cv2.resize(picture, (_TILE, _TILE), interpolation=cv2.INTER_AREA), np.uint8)


def _with_windows(face: UInt8[np.ndarray, "size size 3"], points: Float[np.ndarray, "65 2"]) -> Tile:
    zoom = _TILE / face.shape[0]
    picture = cv2.resize(face, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC)
    for (x, y), corner in zip(points, patch_corners(points, *face.shape[:2]), strict=True):
        start, stop = (np.round(edge * zoom).astype(int).tolist() for edge in (corner, corner + PATCH_SIZE))
        cv2.rectangle(picture, start, stop, _GREEN, 1)
        cv2.circle(picture, (round((x + 0.5) * zoom), round((y + 0.5) * zoom)), 1, (60, 60, 255), -1)
    return picture


def _label(tile: Tile, clip: Clip) -> None:
    units = clip.annotation.action_units
    shown = "" if units is None else " ".join(f"{side}{number}" for number, side in units.sides.items())
    for place, text in ((14, clip.annotation.clip), (28, f"{clip.annotation.emotion or ''}  AU {shown}")):
        for colour, width in ((_WHITE, 3), (_INK, 1)):
            cv2.putText(tile, text, (6, place), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, width, cv2.LINE_AA)


def contact_sheet(clips: Sequence[Clip], settings: Settings, columns: int = 2) -> Tile:
    """The rows of all clips, ``columns`` of them side by side."""
    rows = [clip_row(clip, settings) for clip in clips]
    blank = np.full_like(rows[0], 255)
    rows += [blank] * (-len(rows) % columns)
    return np.vstack([np.hstack(rows[i : i + columns]) for i in range(0, len(rows), columns)])


def one_clip_per_subject(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Clips of different subjects, as many emotions among them as there are."""
    chosen: dict[str, Clip] = {}
    emotions: list[str | None] = []
    for clip in clips:
        subject, emotion = clip.annotation.subject, clip.annotation.emotion
        if subject not in chosen and emotions.count(emotion) <= len(chosen) // 7:
            chosen[subject] = clip
            emotions.append(emotion)
    return list(chosen.values())[:count]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sheet of the synthetic database, building it first if need be."""
    parser = argparse.ArgumentParser(description="Contact sheet of the synthetic database.")
    parser.add_argument("output", type=Path, help="PNG file to write")
    parser.add_argument("--config", default="federated", choices=("federated", "pretraining"))
    parser.add_argument("--data-dir", type=Path, default=None, help="tfds data folder")
    parser.add_argument("--clips", type=int, default=10)
    options = parser.parse_args(arguments)
    from data.synthetic.synthetic_dataset_builder import Builder

    try:
        table = read_challenge_table(Builder(config=options.config, data_dir=options.data_dir).film())
        folder = table.path.parent
        clips = [c for c in clips_of(table, folder / PICTURES, folder / LANDMARKS, "{:05d}.png") if isinstance(c, Clip)]
        sheet = contact_sheet(one_clip_per_subject(clips, options.clips), Settings())
        if not cv2.imwrite(str(options.output), sheet):
            raise OSError(f"{options.output}: cannot be written")
    except (ValueError, OSError, cv2.error) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
