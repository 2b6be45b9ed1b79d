"""Export the networks of a finished run: ``python -m experiments.export RUN``.

Writes the ensemble as one StableHLO program (``jax.export``: CPU and CUDA, any batch size) with a JSON file and a model
card, and each network in the layout of the released PyTorch implementation. docs/export.md shows how to load both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from experiments.run import folder as run_folder
from experiments.run import lifecycle
from fedpsyau_jax.options import parsed


@dataclass(frozen=True)
class Options:
    """Export the networks of a run of fed, mer, ablate or pretrain.

    Attributes:
      run: Folder of a finished run that kept its networks.
      row: Title of the row of its table whose networks to export; by default all rows.
      formats: stablehlo is a program that runs anywhere where jax does; released are weights for the released PyTorch
        code, which has whole networks of the full variant only. By default all that the networks allow.
      output: Folder for the files; it must not exist. By default RUN/export.
      data_dir: Folder of the run's data; by default TFDS_DATA_DIR, else tfds's own.
    """

    run: tyro.conf.Positional[Path]
    row: str | None = None
    formats: tuple[Literal["stablehlo", "released"], ...] = ()
    output: Path | None = None
    data_dir: Path | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.export")
    earlier = run_folder.existing(options.run)
    from experiments.clips.exporting import export

    lifecycle.cache_compilations()
    stored = {"row": options.row, "formats": list(options.formats)}
    output = options.output or earlier.path / "export"
    with lifecycle.whole_or_nothing("export", arguments, stored, output) as folder:
        export(earlier, options.row, options.formats, folder, options.data_dir)
    return 0


if __name__ == "__main__":
    lifecycle.exit_with(main)
