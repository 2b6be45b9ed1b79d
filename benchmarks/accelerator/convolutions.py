"""Ways to compute the network's convolutions, each on this device, with a kernel for each client."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest import mock

import jax

from benchmarks.accelerator.workbench import Record, Workbench, first_line, timed
from benchmarks.shapes import Shape, network_shapes, xla_conv
from fedpsyau_jax.federated import equal_batches
from fedpsyau_jax.models.conv import conv2d
from fedpsyau_jax.types import Array

CLIENTS = 5
INNER = 10
"""Steps of one piece of work: a single one is too short to time."""
Tiles = Callable[..., tuple[int, int]]
TILES: dict[str, Tiles | None] = {
    "package": None,
    "im2col": lambda images, height, width, kernel_height, features: (1, 1),
    "whole rows": lambda images, height, width, kernel_height, features: (1, width),
    "whole image": lambda images, height, width, kernel_height, features: (height, width),
}


def convolutions(bench: Workbench) -> Iterator[Record]:
    """Milliseconds of a training step (output, both gradients) of the costliest shapes, in TF32, for each way."""
    shapes = network_shapes(equal_batches(bench.sizes.examples, bench.sizes.batch))
    few = [shape for shape in shapes if shape.size > 1][: bench.sizes.shapes]
    with ThreadPoolExecutor(bench.threads) as pool:
        compiling = {shape: {way: pool.submit(low.compile) for way, low in _ways(shape)} for shape in few}
    for shape, ways in compiling.items():
        record: Record = {"what": f"{CLIENTS} clients, {shape}"}
        work = {}
        for way, step in ways.items():
            if problem := step.exception():
                record[way] = first_line(problem)
            else:
                work[way] = partial(_repeated, step.result(), _arrays(shape))
        times = {way: taken["median s"] for way, taken in timed(work, bench.sizes.turns).items()}
        record |= {f"{way} ms": 1e3 * seconds / INNER for way, seconds in times.items()}
        yield record | {"best": min(times, key=times.__getitem__)}


def _ways(shape: Shape) -> Iterator[tuple[str, Any]]:
    """Each way to take a step, lowered; an image as dense as a matrix of over 64 million numbers is left out."""
    dense = (shape.height * shape.width) ** 2 * shape.inputs * shape.features
    for way, tiles in TILES.items():
        if way == "whole image" and dense > 2**26:
            continue
        with mock.patch("fedpsyau_jax.models.conv.tile_for", tiles) if tiles else nullcontext():
            yield way, _lowered(conv2d, shape)
    yield "xla", _lowered(xla_conv, shape)


def _lowered(convolve: Callable[..., Array], shape: Shape) -> Any:
    def step(image: Array, kernel: Array) -> tuple[Array, Array]:
        return jax.grad(lambda pair: (convolve(*pair, shape.padding) ** 2).mean())((image, kernel))

    with jax.default_matmul_precision("tensorfloat32"):
        return jax.jit(jax.vmap(step)).lower(*_arrays(shape))


def _arrays(shape: Shape) -> tuple[Array, Array]:
    image_key, kernel_key = jax.random.split(jax.random.key(0))
    kernel = (CLIENTS, shape.size, shape.size, shape.inputs, shape.features)
    return jax.random.normal(image_key, (CLIENTS, *shape[:4])), jax.random.normal(kernel_key, kernel)


def _repeated(step: Callable[..., Any], arrays: tuple[Array, Array]) -> list[Any]:
    return [step(*arrays) for _ in range(INNER)]
