"""The networks of runs leave little behind when they are read, and a whole reading stays below 1 GB."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from explained_runs import DATASET, finished_run, random_weights

from benchmarks import video_memory
from experiments.clips.memory import release
from experiments.clips.networks import Member
from experiments.clips.outputs import weights_by_network
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import FedSettings
from experiments.training.store import Detector
from fedpsyau_jax.priors import published
from fedpsyau_jax.types import ClientState

MOST_BYTES = 1e9
"""Of a whole reading. It was 1.14e9 when what compiling left was kept, and no frame of a larger face was held yet."""
READING = """
import re
import sys
from pathlib import Path
from explained_runs import on_random_data
from experiments import predict
with on_random_data():
    status = predict.main(sys.argv[1:])
print("peak of", re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1], "kB")
sys.exit(status)
"""
"""The peak that the parent is told would be its own, where it is larger when the process starts."""


def test_networks_are_stacked_in_their_order_with_the_types_of_jax():
    def member(seed: int) -> Member:
        classifier = ClientState({"kernel": np.full((3, 5), seed, np.float32)}, {})
        detector = Detector(ClientState({"bias": jnp.ones(7)}, {}), published(), 0.3)
        return Member(str(seed), NetworkSettings(), detector, classifier)

    ((_, weights),) = weights_by_network([member(0), member(1)]).values()
    assert weights.classifiers is not None
    assert weights.classifiers.params["kernel"].tolist() == [[[seed] * 5] * 3 for seed in range(2)]
    assert {leaf.dtype for leaf in jax.tree.leaves(weights) if leaf.dtype.kind == "f"} == {np.dtype(np.float32)}


def test_programs_that_prepared_a_run_are_forgotten():
    double = jax.jit(lambda x: 2 * x)
    double(1.0)
    assert double._cache_size() == 1
    release()
    assert double._cache_size() == 0
    assert double(2.0) == 4


@pytest.mark.slow
def test_a_whole_reading_of_four_networks_stays_below_a_gigabyte(tmp_path: Path):
    """In a process of its own, everything compiled anew: compiling is most of what is left."""
    (tmp_path / "data" / DATASET.name).mkdir(parents=True)
    finished_run(tmp_path / "run", "fed", FedSettings(clients=2, repeats=1, rounds=1), random_weights)
    options = video_memory.Options(tmp_path / "run", fps=60.0)
    video_memory.write_video(tmp_path / "video.mp4", 300, options)
    given = [f"--clip={tmp_path / 'video.mp4'}", "--kind=video", "--landmarker=benchmarks.video_memory:landmarks"]
    given += [f"--data-dir={tmp_path / 'data'}", f"--output={tmp_path / 'read'}", str(tmp_path / "run")]
    paths = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": paths, "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "empty")}
    words = [sys.executable, "-c", READING, *given]
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "read" / "events.csv").read_text().splitlines()) > 1
    (kilobytes,) = re.findall(r"peak of (\d+) kB", done.stdout)
    assert int(kilobytes) * 1024 < MOST_BYTES
