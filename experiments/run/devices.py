"""Devices of a run, and how they multiply."""

PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32", "bf16": "BF16_BF16_F32"}
"""JAX's names. Its "bfloat16" is the default of the device, which on an NVIDIA GPU is TF32."""


def use_devices(count: int) -> None:
    """Have at least ``count`` devices; on a CPU virtual ones. Call it before JAX's first computation.

    Raises:
      ValueError: the machine has fewer accelerators.
    """
    import jax

    if count > 1:
        jax.config.update("jax_num_cpu_devices", count)
    if (available := jax.local_device_count()) < count:
        raise ValueError(
            f"--devices={count}, but this machine has {available} {jax.default_backend()} devices: ask for at most "
            f"{available}"
        )


def use_precision(name: str) -> None:
    """Have an accelerator round the factors of matrix products so. A CPU does not: its programs stay as they are."""
    import jax

    if jax.default_backend() != "cpu":
        jax.config.update("jax_default_matmul_precision", PRECISIONS[name])
