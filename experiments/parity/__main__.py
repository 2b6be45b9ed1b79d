"""Agreement with the released network: ``python -m experiments.parity --golden FILE.npz`` (two minutes on two cores).

Runs whatever a golden file holds (forward, training statistics, gradients) in float32 and float64 and prints the
largest error of each group relative to the largest magnitude of the reference array. Exit status: 0 if all agree, 1
if something does not, 2 if the file cannot be read.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import jax
import numpy as np
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.parity.check import Check, Group
from experiments.parity.golden import Arrays, golden, is_input, read
from experiments.parity.parts import (
    const,
    encoder,
    graph_attention,
    inception,
    local_features,
    region_features,
)
from experiments.parity.whole import gradients, whole
from experiments.run import lifecycle
from fedpsyau_jax.options import parsed

GROUPS: dict[Group, tuple[str, ...]] = {
    const: ("const",),
    graph_attention: ("gat/released", "gat/edges_only"),
    region_features: ("l2a",),
    local_features: ("fe/eval", "fe/train", "fe/after"),
    encoder: ("tr/official_batch_axis", "tr/batch_first"),
    inception: ("inc/eval", "inc/train", "inc/after"),
    whole: ("whole/official", "whole/batch_first"),
    gradients: ("grad/losses", "grad/full", "grad/sampled", "grad/magnitude"),
}
"""Each group of checks with the rows that it can fill."""

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}
GRADIENT_TOLERANCE = {"float32": 2e-3, "float64": 1e-10}
STORED_IN_FLOAT32 = 1e-6
ENDINGS = ("/f32", "/f64", "/f64_as_f32", "")


class Comparison(NamedTuple):
    """One reference array against ours."""

    row: str
    name: str
    precision: str
    error: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether the error is within tolerance; a NaN is not."""
        return self.error <= self.tolerance


def relative_error(ours: np.ndarray, reference: np.ndarray, magnitude: float = 0.0) -> float:
    """max |ours - reference| over the largest magnitude: of the reference, or ``magnitude`` if that is larger.

    Absolute where both are 0; infinite where shapes differ.
    """
    if ours.shape != reference.shape:
        return float("inf")
    ours, reference = ours.astype(float), reference.astype(float)
    scale = max(np.abs(reference).max(initial=0.0), magnitude)
    return float(np.abs(ours - reference).max(initial=0.0) / (scale or 1.0))


def references(arrays: Arrays, check: Check, precision: str) -> Iterator[tuple[str, float]]:
    """Names and tolerances of the arrays that a result must agree with.

    No comparison has float32 rounding on both sides: the released float32 numbers, too, are held against our float64
    ones, unless the file has no float64 numbers to hold our float32 ones against.
    """
    ours = GRADIENT_TOLERANCE if check.is_gradient else TOLERANCE
    for ending in ENDINGS:
        name = check.name + ending
        if name not in arrays:
            continue
        if ending != "/f32":
            stored = STORED_IN_FLOAT32 if arrays[name].dtype == np.float32 else 0.0
            yield name, max(ours[precision], stored)
        elif (precision == "float64") == (f"{check.name}/f64" in arrays):
            yield name, ours["float32"]


def compare(arrays: Arrays, console: Console) -> list[Comparison]:
    """Every check of every group, in both precisions.

    Raises:
        ValueError: if inputs or weights of the file do not fit the network, or there is nothing to compare.
    """
    comparisons: list[Comparison] = []
    for precision in TOLERANCE:
        with jax.enable_x64(precision == "float64"), jax.default_matmul_precision("highest"):
            released = golden(arrays, precision)
            for group, rows in GROUPS.items():
                names = ", ".join(rows)
                with console.status(f"{names} in {precision} (compiling and running)"):
                    try:
                        checks = list(group(released))
                    except (TypeError, ValueError, IndexError) as error:
                        raise ValueError(f"{names}: arrays do not fit the network: {first_line(error)}") from error
                for check in checks:
                    ours = np.asarray(check.ours)
                    for name, tolerance in references(arrays, check, precision):
                        size = relative_error(ours, arrays[name], check.magnitude)
                        comparisons.append(Comparison(check.row, name, precision, size, tolerance))
    if not comparisons:
        raise ValueError("nothing to compare: the inputs or the weights of every group are missing")
    return comparisons


def first_line(error: Exception) -> str:
    """The first line of a message."""
    return str(error).partition("\n")[0]


def table(comparisons: Iterable[Comparison]) -> Table:
    """One line for each row, precision and tolerance."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1))
    shown.add_column("group", no_wrap=True)
    for heading in ("precision", "arrays", "max relative error", "tolerance", "verdict"):
        shown.add_column(heading, justify="left" if heading == "verdict" else "right")
    lines: dict[tuple[str, str, float], list[Comparison]] = {}
    for each in comparisons:
        lines.setdefault((each.row, each.precision, each.tolerance), []).append(each)
    for (row, precision, tolerance), members in sorted(lines.items()):
        error = max(np.nan_to_num(each.error, nan=np.inf) for each in members)
        verdict = "agrees" if all(each.agrees for each in members) else "DIFFERS"
        shown.add_row(row, precision, str(len(members)), f"{error:.1e}", f"{tolerance:.0e}", verdict)
    return shown


def remarks(comparisons: list[Comparison], arrays: Arrays) -> Iterator[str]:
    """What differs, what the file lacks, and what of it nothing was compared with."""
    for each in comparisons:
        if not each.agrees:
            yield f"DIFFERS: {each.name} in {each.precision} by {each.error:.1e}, tolerance {each.tolerance:.0e}"
    rows = {each.row for each in comparisons}
    for possible in (row for rows_of_group in GROUPS.values() for row in rows_of_group):
        if not any(row == possible or row.startswith(f"{possible}/") for row in rows):
            yield f"absent: {possible}"
    compared = {each.name for each in comparisons}
    for name in sorted(arrays):
        if name not in compared and not is_input(name):
            yield f"UNCHECKED: {name}"


def main(golden: Annotated[Path, tyro.conf.arg(metavar="FILE.npz")]) -> int:
    """Compare this package with numbers of the released network.

    Args:
        golden: arrays that the released network computed.

    Raises:
        ValueError, OSError: the file cannot be read, or is none of this format.
    """
    console = Console(width=None if sys.stdout.isatty() else 110)
    arrays = read(golden)
    comparisons = compare(arrays, console)
    console.print(table(comparisons))
    for remark in remarks(comparisons, arrays):
        console.print(remark, markup=False, highlight=False, soft_wrap=True)
    num_differing = sum(not each.agrees for each in comparisons)
    console.print(f"{len(comparisons)} comparisons, {num_differing} beyond tolerance", highlight=False)
    return 1 if num_differing else 0


if __name__ == "__main__":
    lifecycle.exit_with(lambda arguments: parsed(main, arguments, prog="python -m experiments.parity"))
