"""A user's mistake as one sentence on standard error, and the exit status of a command."""

import errno
import os
from collections.abc import Callable

from rich.console import Console

MISTAKE, INTERRUPTED = 2, 130
MAKE_ROOM, OTHER_PLACE = "make room there, or give another place", "give another place, or make this one accessible"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def exit_status(main: Callable[[], int]) -> int:
    """Run a command; a user's mistake is one sentence on standard error and exit status 2.

    Raises:
      Exception: anything but ValueError, OSError and an interrupt: a mistake of this package.
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        return main()
    except (ValueError, OSError) as error:
        if os.environ.get("FEDPSYAU_TRACEBACK"):
            raise
        console.print(f"Error: {sentence(error)}", markup=False)
        return MISTAKE
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return INTERRUPTED


def sentence(error: BaseException) -> str:
    """The message of an error; of an operating-system error, with its file and what to do."""
    if isinstance(error, OSError) and error.strerror:
        remedy = MAKE_ROOM if error.errno in DISK_FULL else OTHER_PLACE
        file = error.filename2 or error.filename  # where something is moved to, not from
        return f"{file}: {error.strerror}; {remedy}" if file else f"{error.strerror}; {remedy}"
    return str(error)


def warn(text: str) -> None:
    """Print a warning on standard error; the sentence comes without its full stop."""
    console = Console(stderr=True)
    console.print(f"Warning: {text}.", style="yellow", markup=False, highlight=False, soft_wrap=True)
