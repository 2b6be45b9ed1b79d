"""What was needed to read the runs, and no longer is, goes back to the system before the first frame is read."""

import ctypes
import gc
import sys

import jax


def release() -> None:
    """Give back memory that nothing uses any more.

    JAX keeps every function that it ever traced, with its program: preparing a run again traces many that a reading
    never calls, about 100 MB. A function that is still in use is traced again at its next call; a program that its
    caller holds stays. glibc keeps what was freed in pieces, of a compilation up to 250 MB, until it is told to give
    it back; other C libraries are left alone.
    """
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
