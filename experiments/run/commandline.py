"""What all commands share: options from frozen dataclasses, one sentence for a mistake, a clean way to stop."""

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import jax
from rich.console import Console

MISTAKE, INTERRUPTED = 2, 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OTHER_PLACE = "give another place, or make this one accessible"


def guarded(main: Callable[[], int]) -> int:
    """Run a command; a user's mistake is one sentence on standard error and exit status 2.

    Raises:
      Exception: anything but ValueError, OSError and an interrupt: these are our mistakes.
    """
    error_console = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        return main()
    except (ValueError, OSError) as error:
        if os.environ.get("FEDPSYAU_TRACEBACK"):
            raise
        error_console.print(f"Error: {sentence(error)}", markup=False)
        return MISTAKE
    except KeyboardInterrupt:
        error_console.print("Interrupted.")
        return INTERRUPTED


def sentence(error: BaseException) -> str:
    """The message of an error; of an operating-system error, with the file that it is about."""
    if isinstance(error, OSError) and error.strerror:
        mend = "make room there, or give another place" if error.errno in FULL else OTHER_PLACE
        about = error.filename2 or error.filename  # where something is moved to, not from
        where = f"{about}: " if about else ""
        return f"{where}{error.strerror}; {mend}"
    return str(error)


@dataclass
class StopRequest:
    """Whether the user has asked to stop."""

    asked: bool = False


@contextmanager
def stopping_gently(note: Callable[[], None]) -> Iterator[StopRequest]:
    """Inside, the first Ctrl-C only asks to stop (and calls ``note``, briefly); the second one interrupts at once."""
    request = StopRequest()

    def ask(signal_number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        request.asked = True
        note()

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, previous)


def use_devices(count: int) -> None:
    """Have at least ``count`` devices: on a CPU virtual ones, made here; must come before JAX's first computation.

    Raises:
      ValueError: an accelerator machine has fewer.
    """
    if count > 1:
        jax.config.update("jax_num_cpu_devices", count)
    if jax.device_count() < count:
        raise ValueError(
            f"--devices={count}, but this machine has {jax.device_count()} {jax.default_backend()} devices: ask for "
            f"at most {jax.device_count()}"
        )


def cache_compilations() -> None:
    """Keep compiled programs in the user's cache folder, unless JAX was told otherwise: the next start is quick."""
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(home / "fedpsyau_jax" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def data_folder(chosen: Path | None) -> Path:
    """Where databases and detectors are kept: the chosen folder, else ``TFDS_DATA_DIR``, else tfds's own."""
    return Path(chosen or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def preset_of(arguments: Sequence[str], presets: Sequence[str]) -> str:
    """The preset that the arguments name, or the first one; it decides the defaults of the other options."""
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--preset":
            value = value or (arguments[index + 1] if index + 1 < len(arguments) else "")
            if value not in presets:
                raise ValueError(f"--preset={value}: choose one of {', '.join(presets)}")
            return value
    return presets[0]


def exit_with(main: Callable[[Sequence[str]], int]) -> None:
    """Run ``main`` on the process's arguments and leave with its status; what goes wrong is told by us alone.

    Orbax logs every failed read or write with its stack, and its destructors fail after that.
    """
    if not os.environ.get("FEDPSYAU_TRACEBACK"):
        for name in ("absl", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        sys.unraisablehook = lambda _: None
    sys.exit(guarded(lambda: main(sys.argv[1:])))
