"""Which kinds of files hold pictures that can be read, and what to say of a folder without any."""

from collections import Counter
from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".jp2", ".avif", ".gif",
     ".pgm", ".ppm", ".pnm"}
)  # fmt: skip
VIDEO_SUFFIXES = frozenset({".avi", ".mp4", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg", ".m4v", ".webm"})
_UNREADABLE = frozenset(
    {".heic", ".heif", ".hif", ".jxl", ".jxr", ".svg", ".psd", ".xcf", ".pdf", ".eps", ".tga", ".ico", ".dcm", ".exr",
     ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".raw", ".yuv", ".mat", ".npy", ".npz"}
)  # fmt: skip
_ARCHIVES = frozenset({".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz"})
_SHOWN = 3


def unreadable_kinds(folder: Path) -> str:
    """What to say of pictures in a folder that cannot be read, such as ``.heic``; empty if there are none."""
    kinds = Counter(path.suffix.lower() for path in folder.iterdir() if path.suffix.lower() in _UNREADABLE)
    if not kinds:
        return ""
    named = " and ".join(kind for kind, _ in kinds.most_common(_SHOWN))
    return f"has {named} pictures, which cannot be read: convert them to .png or .jpg with the same names"


def why_no_pictures(folder: Path) -> str:
    """Why no numbered picture is found in a folder, and what to do."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    kinds = Counter(path.suffix.lower() or "no suffix" for path in entries if not path.is_dir())
    for suffixes, told in (
        (PICTURE_SUFFIXES, "its pictures, such as {}, have no frame number in their names"),
        (_ARCHIVES, "holds the archive {} and no picture: unpack it"),
        (VIDEO_SUFFIXES, "holds the video {} where pictures are expected: extract its frames, named by number from 1"),
    ):
        examples = [path.name for path in entries if path.suffix.lower() in suffixes]
        if examples:
            return told.format(examples[0])
    folders = [path.name for path in entries if path.is_dir()]
    if folders:
        return f"holds no picture, but the folders {_few(folders)}: put the pictures themselves there"
    if not kinds:
        return "the folder is empty"
    return unreadable_kinds(folder) or f"holds no picture, only files of the kind {_few([*kinds])}"


def _few(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
