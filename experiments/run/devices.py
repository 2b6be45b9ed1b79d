"""Devices of a run, and the cache of compiled programs."""

import os
from pathlib import Path


def use_devices(count: int) -> None:
    """Have at least ``count`` devices; on a CPU virtual ones. Call it before JAX's first computation.

    Raises:
      ValueError: the machine has fewer accelerators.
    """
    import jax

    if count > 1:
        jax.config.update("jax_num_cpu_devices", count)
    if (available := jax.device_count()) < count:
        raise ValueError(
            f"--devices={count}, but this machine has {available} {jax.default_backend()} devices: ask for at most "
            f"{available}"
        )


def cache_compilations() -> None:
    """Keep compiled programs in the user's cache folder, unless JAX is configured otherwise: later starts are quick."""
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(home / "fedpsyau_jax" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
