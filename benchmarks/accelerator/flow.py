"""Optical flow in JAX: pairs a second, one at a time and many at once."""

from collections.abc import Iterator
from functools import partial
from time import perf_counter

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator.workbench import Record, Workbench, timed
from fedpsyau_jax.vision.tvl1 import tvl1_flow

MOST = 1.5
"""Pixels that a picture moves at most, as micro-expressions do."""


def flow(bench: Workbench) -> Iterator[Record]:
    """TV-L1 between faces' sizes of pictures: one pair by itself, and several in one program."""
    for pairs in bench.sizes.pairs:
        pictures = jax.device_put(_moved_textures(pairs, bench.sizes.face))
        start = perf_counter()
        program = jax.jit(jax.vmap(tvl1_flow)).lower(*pictures).compile()
        compiling = perf_counter() - start
        taken = timed({"flow": partial(program, *pictures)}, bench.sizes.turns)["flow"]
        side = bench.sizes.face
        yield {
            "what": f"{pairs} pairs of {side} x {side} at once",
            "pairs/s": pairs / taken["median s"],
            "compile s": compiling,
            "pixels moved, mean": float(jnp.mean(jnp.abs(program(*pictures)))),
        } | taken


def _moved_textures(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures of smooth noise, and the same moved by smooth fields of up to ``MOST`` pixels."""
    generator = np.random.default_rng(0)
    texture = _smooth(generator.normal(size=(count, side, side)), side / 4)
    field = MOST * _smooth(generator.normal(size=(2, count, side, side)), 3)
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    at = jax.vmap(partial(jax.scipy.ndimage.map_coordinates, order=1, mode="nearest"))
    moved = at(texture, jnp.stack([rows + field[0], columns + field[1]], 1))
    return tuple(np.asarray(127.5 * (1 + picture)).astype(np.uint8) for picture in (texture, moved))


def _smooth(noise: np.ndarray, waves: float) -> np.ndarray:
    """Noise without more than so many waves a side, scaled to -1 to 1."""
    across, down = np.fft.rfftfreq(noise.shape[-1]), np.fft.fftfreq(noise.shape[-2])[:, None]
    passed = np.exp(-0.5 * ((across**2 + down**2) * (noise.shape[-1] / waves) ** 2))
    smooth = np.fft.irfft2(np.fft.rfft2(noise) * passed, noise.shape[-2:])
    return smooth / np.abs(smooth).max((-2, -1), keepdims=True)
