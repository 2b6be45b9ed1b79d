"""How far the default command's scores move between machines: ``python -m benchmarks.machines --output FOLDER``.

Another processor is emulated by the instruction set that XLA may use (``--xla_cpu_max_isa``) and the number of threads.
Each combination pretrains its own detector and trains everything; the data are rendered once. A folder that has a
combination's scores already is not run again.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import tyro
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.timing import machine

DETECTORS = "fedpsyau_jax_detectors"


@dataclass(frozen=True)
class Options:
    """Run the default command as on other machines.

    Attributes:
      output: Folder of the runs and of their copies of the data.
      data_dir: Folder of the databases; the synthetic one is copied from there if it has been rendered.
      isa: Instruction sets, those that this processor has.
      threads: Numbers of threads.
      options: Further options of experiments.fed.
    """

    output: Path
    data_dir: Path
    isa: tuple[Literal["SSE4_2", "AVX2", "AVX512"], ...] = ("SSE4_2", "AVX2", "AVX512")
    threads: tuple[int, ...] = (1, 2)
    options: tuple[str, ...] = ()


def run(options: Options, isa: str, threads: int) -> pd.DataFrame:
    """The scores of one combination."""
    folder = options.output / f"{isa}-{threads}"
    if not (folder / "summary.csv").exists():
        data = options.output / f"data-{isa}-{threads}"
        if not data.exists():
            shutil.copytree(options.data_dir / "synthetic", data / "synthetic")
        shutil.rmtree(folder, ignore_errors=True)
        environment = {**os.environ, "XLA_FLAGS": f"--xla_cpu_max_isa={isa}", "TFDS_DATA_DIR": str(data)}
        environment |= {"JAX_COMPILATION_CACHE_DIR": str(data / "programs"), "JAX_PLATFORMS": "cpu"}
        cores = sorted(os.sched_getaffinity(0))[:threads]
        command = [sys.executable, "-m", "experiments.fed", *options.options, f"--output={folder}"]
        subprocess.run(command, env=environment, check=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    summary = pd.read_csv(folder / "summary.csv")
    return summary[summary["kind"] == "trained"]


def table_of(scores: dict[str, pd.DataFrame]) -> Table:
    """UF1 of each row of the table, and the AU F1 of the detector, on each machine."""
    names = next(iter(scores.values()))["algorithm"]
    table = Table("instruction set, threads", *names, "AU F1", box=SIMPLE_HEAD)
    for name, own in scores.items():
        table.add_row(name, *(f"{value:.3f}" for value in own["uf1"]), f"{own['au_f1'].iloc[0]:.3f}")
    return table


def main(options: Options) -> int:
    """Print the machine and the table."""
    combinations: Sequence[tuple[str, int]] = [(isa, number) for number in options.threads for isa in options.isa]
    scores = {f"{isa}, {number}": run(options, isa, number) for isa, number in combinations}
    console = Console(width=110, highlight=False)
    console.print(machine())
    console.print(table_of(scores))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(tyro.cli(Options, prog="python -m benchmarks.machines")))
