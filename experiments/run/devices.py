"""Devices of a run."""


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
