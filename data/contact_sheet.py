"""A picture to check a dataset by eye: ``python -m data.contact_sheet OUTPUT.png``.

One row per clip: onset, apex, the flow as colour (hue = direction, saturation = length), and the aligned face
with the network's 65 landmarks and their windows.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from data.annotations import Annotation
from data.building import quiet_tfds
from data.clips import Clip
from data.databases import check_known
from data.dfme.layout import LAYOUT
from data.pictures import read_colour, read_grey
from data.pipeline import Recipe, find_face_and_apex
from data.survey import Choices, survey
from fedpsyau_jax.vision.crop import crop, crop_points
from fedpsyau_jax.vision.detection import NoFaceError
from fedpsyau_jax.vision.landmarks import network_landmarks
from fedpsyau_jax.vision.patches import PATCH_SIZE, patch_corners
from fedpsyau_jax.vision.sample import flow_image

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


def clip_row(clip: Clip, recipe: Recipe) -> Tile:
    """Onset, apex, flow and landmarks of a clip, side by side.

    Raises:
        NoFaceError: the onset shows none.
    """
    settings = recipe.settings
    face, apex = find_face_and_apex(clip, recipe)
    points = face.points
    box, size = settings.square(points), settings.face_size
    onset = read_grey(clip.onset.frame)
    motion = flow_image(onset, read_grey(apex.frame), points, settings)
    aligned = cv2.cvtColor(crop(onset, box, size), cv2.COLOR_GRAY2BGR)
    frames = [_tile(read_colour(picture.frame)) for picture in (clip.onset, apex)]
    flow = cv2.resize(flow_colour(motion[..., :2]), (_TILE, _TILE), interpolation=cv2.INTER_CUBIC)
    tiles = [*frames, flow, _with_windows(aligned, network_landmarks(crop_points(points, box, size)))]
    _label(tiles[0], clip)
    return np.hstack(tiles)


def _tile(picture: UInt8[np.ndarray, "rows columns 3"]) -> Tile:
    """The picture shrunk to fit a tile, its proportions kept, on white."""
    height, width = picture.shape[:2]
    zoom = _TILE / max(height, width)
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    tile = np.full((_TILE, _TILE, 3), 255, np.uint8)
    left, top = (_TILE - size[0]) // 2, (_TILE - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return tile


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
    shown = "?" if units is None else " ".join(f"{side}{number}" for number, side in units.sides.items())
    for place, text in ((14, clip.annotation.clip), (28, f"{clip.annotation.emotion or ''}  AU {shown}")):
        for colour, width in ((_WHITE, 3), (_INK, 1)):
            cv2.putText(tile, text, (6, place), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, width, cv2.LINE_AA)


def contact_sheet(clips: Sequence[Clip], recipe: Recipe, columns: int = 2) -> Tile:
    """The rows of all clips that show a face, ``columns`` of them side by side."""
    rows = []
    for clip in clips:
        with suppress(NoFaceError):
            rows.append(clip_row(clip, recipe))
    blank = np.full((_TILE, 4 * _TILE, 3), 255, np.uint8)
    rows += [blank] * (-len(rows) % columns)
    return np.vstack([np.hstack(rows[i : i + columns]) for i in range(0, len(rows), columns)] or [blank])


def write_contact_sheet(path: Path, clips: Sequence[Clip], recipe: Recipe) -> None:
    """Write the sheet as PNG.

    Raises:
        OSError: it cannot be written.
    """
    done, content = cv2.imencode(".png", contact_sheet(clips, recipe))
    if not done:
        raise OSError(f"{path}: OpenCV cannot encode the contact sheet")
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise OSError(f"{path}: the contact sheet cannot be written ({error.strerror})") from error


def varied_clips(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Clips of different subjects with as many emotions among them as there are, then any others."""
    chosen: dict[str, Clip] = {}
    emotions: list[str | None] = []
    for clip in clips:
        subject, emotion = clip.annotation.subject, clip.annotation.emotion
        if subject not in chosen and emotions.count(emotion) <= len(chosen) // 7:
            chosen[subject] = clip
            emotions.append(emotion)
    first = list(chosen.values())
    taken = {clip.annotation.clip for clip in first}
    return (first + [clip for clip in clips if clip.annotation.clip not in taken])[:count]


def of_every_site(clips: Sequence[Clip], site_of: Callable[[Annotation], str], count: int) -> list[Clip]:
    """As many varied clips of each site as make ``count`` altogether, site after site."""
    sites: dict[str, list[Clip]] = {}
    for clip in clips:
        sites.setdefault(site_of(clip.annotation), []).append(clip)
    return [clip for own in sites.values() for clip in varied_clips(own, -(-count // len(sites)))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sheet of the synthetic database, building it first if need be."""
    parser = argparse.ArgumentParser(description="Contact sheet of the synthetic database.")
    parser.add_argument("output", type=Path, help="PNG file to write")
    parser.add_argument("--config", default="federated", help="federated, pretraining, or labs such as labs-3-0.5")
    parser.add_argument("--data-dir", type=Path, default=None, help="tfds data folder")
    parser.add_argument("--clips", type=int, default=10)
    options = parser.parse_args(arguments)
    from data.synthetic.synthetic_dataset_builder import Builder

    try:
        with quiet_tfds():
            builder = Builder(config=check_known("synthetic", options.config), data_dir=options.data_dir)
        found = survey(LAYOUT, builder.film().parent, "challenge", Choices()).usable()
        write_contact_sheet(options.output, of_every_site(found.clips, builder.site_of, options.clips), builder.how)
    except (ValueError, OSError, cv2.error) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
