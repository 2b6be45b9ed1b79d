"""Test which action units co-occur: ``python -m experiments.coordination --table FILE``.

Reads annotations, tests every pair of AUs within subjects, compares the pairs found with the topologies of priors, and
writes a run folder with a report. docs/coordination.md defines every column and finding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from experiments.inputs.coordination import CoordinationSettings, as_json, check, check_source, source_of
from experiments.run import lifecycle
from experiments.run.progress import progress
from fedpsyau_jax.options import parsed


@dataclass(frozen=True)
class Options:
    """Test which action units co-occur in annotations, and compare them with the topologies of priors.

    Attributes:
      settings: What is tested.
      output: Folder for the results; it must not exist. By default runs/coordination-DATE-TIME.
      manual_dir: Your copy of a real database; needed until it has been prepared.
      data_dir: Folder of the databases; by default TFDS_DATA_DIR, else tfds's own.
    """

    settings: Annotated[CoordinationSettings, tyro.conf.arg(name="")] = field(default_factory=CoordinationSettings)
    output: Path | None = None
    manual_dir: Path | None = None
    data_dir: Path | None = None


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
      Exit status: 0.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m experiments.coordination")
    settings = options.settings
    check(settings)
    from experiments.pages import coordination as page
    from experiments.results import coordination as results
    from experiments.run.facts import write_environment

    with progress() as stages:
        source = source_of(settings, options.data_dir, options.manual_dir, stages)
        check_source(source, settings)
        topologies = results.topologies(settings.prior, source.table)
        folder = lifecycle.start("coordination", arguments, as_json(settings), options.output, resumable=False)
        write_environment(folder)
        folder.write_json("data.json", source.facts)
        with stages.stage("permuting"):
            pairs = results.pair_tests(settings, source.table)
    results.write(folder, pairs, source.table.action_units, topologies)
    page.show(folder, page.write(folder))
    return 0


if __name__ == "__main__":
    lifecycle.exit_with(main)
