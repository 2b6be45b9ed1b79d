"""What a result depends on besides its settings and data, for environment.json."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = (
    "fedpsyau-jax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "jraph",
    "orbax-checkpoint",
    "numpy",
    "opencv-contrib-python",
    "tensorflow-datasets",
    "array_record",
    "pandas",
    "matplotlib",
)


def environment() -> dict[str, Any]:
    """What a result depends on besides its settings and data: versions, platform, devices, code.

    Returns:
        ``python``, ``platform``, ``processor``, ``num_cpus``, ``devices`` (kind: number), ``packages`` (name:
        version, of those installed), ``git_commit`` (None outside a checkout; "+ changes" if tracked files differ).
    """
    import jax

    kinds = [device.device_kind for device in jax.devices()]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "num_cpus": os.cpu_count(),
        "devices": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "git_commit": _git_commit(Path(__file__).parents[2]),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit(checkout: Path) -> str | None:
    if not (checkout / ".git").exists():
        return None  # an installed copy may lie inside some other project's checkout
    try:
        commit = _git(checkout, "rev-parse", "HEAD")
        return commit + (" + changes" if _git(checkout, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
