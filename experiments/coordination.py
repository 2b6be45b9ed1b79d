"""Test which action units go together: ``python -m experiments.coordination --table FILE``.

Reads annotations, tests every pair of AUs within subjects, compares the pairs found with the topologies of priors, and
writes a run folder with a page. docs/coordination.md defines every column and verdict.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import tyro
from rich.console import Console

from experiments.inputs import annotations as coordination_data
from experiments.inputs.annotations import Source
from experiments.inputs.configs import check_priors_named
from experiments.pages import coordination as coordination_report
from experiments.results.agreement import agreement_table, topologies
from experiments.run import commandline, starting
from experiments.run import folder as runfolder
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from fedpsyau_jax.options import parsed
from fedpsyau_jax.priors import ACTION_UNITS, AnnotationTable
from fedpsyau_jax.priors.coordination import Coordination, coordination, face_part, topology_of


@dataclass(frozen=True)
class CoordinationSettings:
    """What is tested.

    Attributes:
      database: Which data: synthetic, casme3, dfme, casme2, samm, disfa, ckplus, or your own as module:function; with
        --table, whose table it is (left out, that is found out).
      table: Annotation table, Excel or CSV: a database's own, or one with columns subject, AU1, AU2, ... of 0, 1 or
        nothing where an AU is not labelled.
      level: False-discovery rate at which pairs are found.
      permutations: Permutations within subjects behind each p.
      seed: Of the permutations.
      prior: Priors whose topologies are compared with what is found: published, co-occurrence, uniform, shuffled, none,
        or your own as module:function; a function is given the table of annotations.
    """

    database: str | None = None
    table: Path | None = None
    level: float = 0.05
    permutations: int = 9999
    seed: int = 0
    prior: tuple[str, ...] = ("published",)


@dataclass(frozen=True)
class Options:
    """Test which action units go together in annotations, and compare with the topologies of priors.

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
    with progress() as stages:
        if settings.table:
            source = coordination_data.of_table(settings.table, settings.database)
        else:
            places = options.data_dir, options.manual_dir
            source = coordination_data.of_database(str(settings.database), *places, progress=stages.track)
        check_source(source, settings)
        links = topologies(settings.prior, source.table)
        chosen = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(settings).items()}
        folder = starting.started("coordination", arguments, chosen, options.output, resumable=False)
        folder.write_json("environment.json", runfolder.environment())
        folder.write_json("data.json", source.facts)
        with stages.stage("permuting"):
            found = study(settings, source.table)
    agreement = agreement_table(found, source.table.action_units, links)
    record(folder, found, source.table.action_units, agreement)
    page = coordination_report.write(folder)
    conclude(found, settings, source, agreement, page)
    return 0


def check(settings: CoordinationSettings) -> None:
    """Refuse settings that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    if settings.table is None and settings.database is None:
        raise ValueError("name the annotations: --database NAME, or --table FILE")
    if not 0 < settings.level < 1:
        raise ValueError(f"--level={settings.level}: it must be between 0 and 1, both excluded")
    check_permutations(settings, len(ACTION_UNITS))
    if settings.seed < 0:
        raise ValueError(f"--seed={settings.seed}: it must be at least 0")
    check_priors_named(settings.prior)


def check_permutations(settings: CoordinationSettings, num_aus: int) -> None:
    """Refuse so few permutations that no pair of these AUs could be found.

    Raises:
      ValueError: how many it takes.
    """
    num_pairs = num_aus * (num_aus - 1) // 2
    if (least := int(np.ceil(num_pairs / settings.level)) - 1) > settings.permutations:
        raise ValueError(
            f"--permutations={settings.permutations}: a p of 1 / {settings.permutations + 1} is too coarse for "
            f"{num_pairs} pairs at --level={settings.level}; give at least {least}"
        )


def check_source(source: Source, settings: CoordinationSettings) -> None:
    """Refuse annotations that no pair can be tested with.

    Raises:
      ValueError: what they, or the settings, lack.
    """
    check_permutations(settings, len(source.table.action_units))
    if not source.table.mask.any():
        raise ValueError(f"{source.facts['name']}: no clip has labelled action units, so there is nothing to test")


def study(settings: CoordinationSettings, table: AnnotationTable) -> Coordination:
    """The test with the command's settings."""
    generator = np.random.default_rng(settings.seed)
    return coordination(table, generator, level=settings.level, num_permutations=settings.permutations)


def record(folder: RunFolder, found: Coordination, action_units: Sequence[int], agreement: pd.DataFrame) -> None:
    """Write pairs.csv, agreement.csv and topology.csv."""
    folder.write_table("pairs.csv", pairs_table(found, action_units))
    folder.write_table("agreement.csv", agreement)
    names = [f"AU{au}" for au in action_units]
    links = pd.DataFrame(topology_of(found, len(names)).astype(int), columns=names)
    links.insert(0, "receiver", names)
    folder.write_table("topology.csv", links)


def pairs_table(found: Coordination, action_units: Sequence[int]) -> pd.DataFrame:
    """One row for each pair of AUs; docs/coordination.md defines the columns."""
    first, second = ([action_units[place] for place in places] for places in (found.first, found.second))
    columns = {
        "first": [f"AU{au}" for au in first],
        "second": [f"AU{au}" for au in second],
        "face_part": [face_part(one, other) for one, other in zip(first, second, strict=True)],
    }
    for name, values in found._asdict().items():
        if name in ("odds_ratio", "odds_ratio_within"):
            columns |= {name: values.estimate, f"{name}_low": values.low, f"{name}_high": values.high}
        elif name not in columns:
            columns[name] = values
    return pd.DataFrame(columns)


def conclude(
    found: Coordination, settings: CoordinationSettings, source: Source, agreement: pd.DataFrame, page: Path
) -> None:
    """Say in the terminal what was found, and what to be careful with."""
    console = Console(soft_wrap=True, highlight=False)
    for sentence in source.facts["cautions"]:
        console.print(f"Warning: {sentence}", style="yellow", markup=False)
    aus, pairs = source.table.action_units, list(zip(found.first, found.second, found.finding, strict=True))
    many = "s" if len(pairs) > 1 else ""
    console.print(f"{len(pairs)} pair{many} at a false-discovery rate of {settings.level:g}:", markup=False)
    for kind in ("together", "apart", "undecided", "too rare"):
        of_kind = [f"AU{aus[one]}-AU{aus[other]}" for one, other, finding in pairs if finding == kind]
        listed = f": {', '.join(of_kind)}" if of_kind and kind in ("together", "apart") else ""
        console.print(f"  {len(of_kind)} {kind}{listed}", markup=False)
    for prior, of_prior in agreement.groupby("prior", sort=False):
        counts = [f"{(of_prior['verdict'] == verdict).sum()} {verdict}" for verdict in coordination_report.VERDICTS]
        console.print(f"{len(of_prior)} edges, against the {prior} prior: {', '.join(counts)}", markup=False)
    console.print(str(page), markup=False)


if __name__ == "__main__":
    commandline.exit_with(main)
