"""Five virtual devices are as one; in a subprocess, as the number of devices is fixed at first use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.slow
def test_sharded_is_single_device():
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=5",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-W", "error", FOLDER / "sharded_federation.py"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
