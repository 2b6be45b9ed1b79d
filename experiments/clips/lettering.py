"""Words on pictures: OpenCV draws ASCII only, and cuts off what is too long."""

import unicodedata

import cv2
import numpy as np
from jaxtyping import UInt8

Colour = UInt8[np.ndarray, "height width 3"]
FONT = cv2.FONT_HERSHEY_SIMPLEX


def plain(text: str) -> str:
    """A text in ASCII, without accents.

    >>> plain("Müller 0.50 ± 0.10")
    'Muller 0.50 +- 0.10'
    """
    bare = unicodedata.normalize("NFKD", text.replace("±", "+-"))
    return "".join(one for one in bare if not unicodedata.combining(one)).encode("ascii", "replace").decode()


def lines_of(text: str, width: int, size: float) -> list[str]:
    """A text in lines that fit, broken at blanks; a longer word has a line of its own.

    Args:
      text: any.
      width: of a line, pixels.
      size: of the letters, as OpenCV counts it.

    >>> lines_of("event 1: disgust", 90, 0.5)
    ['event 1:', 'disgust']
    """
    lines = [""]
    for word in plain(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def write(picture: Colour, text: str, place: tuple[int, int], size: float, ink: tuple[int, int, int]) -> None:
    """Draw a line of text in letters with a white edge.

    Args:
      picture: is changed.
      text: in one line.
      place: left end of its base line.
      size: of the letters.
      ink: blue, green, red.
    """
    for colour, width in (((255, 255, 255), 4), (ink, 1)):
        cv2.putText(picture, plain(text), place, FONT, size, colour, width, cv2.LINE_AA)


def _width(text: str, size: float) -> int:
    (width, _), _ = cv2.getTextSize(text, FONT, size, 1)
    return int(width)
