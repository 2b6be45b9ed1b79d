"""The cache of compiled programs."""

import os
from pathlib import Path


def cache_compilations() -> None:
    """Keep compiled programs in the user's cache folder, unless JAX is configured otherwise: later starts are quick."""
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(home / "fedpsyau_jax" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
