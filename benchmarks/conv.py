"""Our convolution against XLA's: ``python -m benchmarks.conv``.

At every shape that the network convolves, one training step of the kernel (output, gradient of image and of kernel)
is repeated in a Python loop and inside ``lax.scan``, by `conv2d` and by ``lax.conv_general_dilated`` in turns. A ratio
above 1 says how many times slower XLA's own is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import tyro
from jax import lax
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.shapes import Shape, network_shapes, xla_conv
from benchmarks.timing import interleaved, machine
from fedpsyau_jax.models.conv import conv2d
from fedpsyau_jax.types import Array


@dataclass(frozen=True)
class Options:
    """Compare two ways to convolve.

    Attributes:
      batch: Examples in a batch; the local features convolve 65 landmarks of each.
      steps: Training steps in a row.
      repeats: Turns.
      shapes: How many of the network's shapes, the costliest first.
    """

    batch: int = 32
    steps: int = 4
    repeats: int = 5
    shapes: int = 100


def work(convolve: Callable[..., Array], shape: Shape, steps: int) -> dict[str, Callable[[], Any]]:
    """Some training steps of a kernel, in a Python loop and in a scan."""
    image_key, kernel_key = jax.random.split(jax.random.key(0))
    image = jax.random.normal(image_key, shape[:4])
    kernel = jax.random.normal(kernel_key, (shape.size, shape.size, shape.inputs, shape.features))

    def step(carried: tuple[Array, Array], _: Any) -> tuple[tuple[Array, Array], None]:
        gradient = jax.grad(lambda pair: (convolve(*pair, shape.padding) ** 2).mean())(carried)
        return jax.tree.map(lambda value, slope: value - 1e-3 * slope, carried, gradient), None

    one_step = jax.jit(lambda carried: step(carried, None)[0])
    scan = jax.jit(lambda carried: lax.scan(step, carried, length=steps)[0])

    def python_loop() -> tuple[Array, Array]:
        carried = image, kernel
        for _ in range(steps):
            carried = one_step(carried)
        return carried

    return {"outside": python_loop, "in scan": partial(scan, (image, kernel))}


def main(options: Options) -> int:
    """Print the machine and a table of milliseconds a step and ratios."""
    table = Table("convolution", title="Milliseconds a training step (median) and XLA / ours", box=SIMPLE_HEAD)
    for column in ("ours outside", "XLA outside", "ratio", "ours in scan", "XLA in scan", "ratio"):
        table.add_column(column, justify="right")
    for shape in network_shapes(options.batch)[: options.shapes]:
        ours, theirs = (work(convolve, shape, options.steps) for convolve in (conv2d, xla_conv))
        cells: list[str] = []
        for where in ours:
            taken = interleaved({"ours": ours[where], "XLA": theirs[where]}, options.repeats)
            cells += [f"{np.median(taken[who]) / options.steps * 1e3:.2f}" for who in ("ours", "XLA")]
            cells.append(f"{np.median(taken['XLA'] / taken['ours']):.2f}")
        table.add_row(str(shape), *cells)
    console = Console(width=130, highlight=False)
    console.print(machine())
    console.print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.conv")))
