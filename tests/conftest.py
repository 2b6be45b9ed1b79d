"""Shared by test modules."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import psutil
import pytest
from detector_folders import NETWORK, PRIORS, SEEN

from experiments.clips.memory import release
from experiments.inputs.detectors import Detector, detector_like, save_detectors
from experiments.run.folder import RunFolder
from fedpsyau_jax.types import ClientState


def pytest_configure() -> None:
    """Tests run most programs once, and compile many when they are collected."""
    jax.config.update("jax_disable_most_optimizations", True)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="session", autouse=True)
def _compiled_programs_are_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Many modules, in several workers and in the processes that they start, compile the same long programs."""
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "programs")
    jax.config.update("jax_compilation_cache_dir", str(folder / "programs"))


@pytest.fixture(scope="module", autouse=True)
def _programs_end_before_they_fill_memory() -> Iterator[None]:
    """Compiled programs are most of the memory of the tests, and modules share only small ones."""
    yield
    if psutil.Process().memory_info().rss > 1.2e9:
        release()


@pytest.fixture(scope="module")
def optimised() -> Iterator[None]:
    """For modules whose programs are those that users run."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="module")
def double_precision() -> Iterator[None]:
    """For modules whose numbers agree to more digits than float32 has."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.fixture(scope="module")
def weights() -> ClientState:
    """Of the smallest network, drawn without compiling anything."""
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: generator.random(leaf.shape).astype(leaf.dtype), detector_like(NETWORK))


@pytest.fixture
def folder(tmp_path: Path, weights: ClientState) -> Path:
    save_detectors(RunFolder(tmp_path), [Detector(weights, PRIORS)], NETWORK, SEEN[::-1], ["synthetic"])
    return tmp_path


@pytest.fixture
def of_two_priors(tmp_path: Path, weights: ClientState) -> Path:
    """Of a pretraining with the priors published (the weights) and uniform (twice the weights)."""
    both = [Detector(jax.tree.map(lambda leaf, n=number: n * leaf, weights), PRIORS) for number in (1, 2)]
    network = replace(NETWORK, prior=("published", "uniform"))
    save_detectors(RunFolder(tmp_path / "both"), both, network, SEEN, ["synthetic"])
    return tmp_path / "both"
