"""The table of docs/algorithms.md, from finished runs: ``python -m benchmarks.algorithm_results EVEN LABS``.

Each folder is a run of experiments.fed without a sweep and becomes two columns: UF1 of every algorithm, and its paired
difference from FedAvg. An algorithm has one line, also where a client has a personal and a global model.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import tyro

from experiments.pages.tables import UNDEFINED, interval_text, number, title
from experiments.results.differences import against
from experiments.results.intervals import LEVEL, Interval
from experiments.results.read import FinishedRun, experiment_of, read_finished
from experiments.run.folder import existing
from experiments.run.lifecycle import exit_with
from fedpsyau_jax.options import parsed

REFERENCE = "fedavg"
PLACES = ("--output", "--data-dir", "--manual-dir")
"""Options that say where files are, which changes no result."""
LINE_BREAK = "<br>"


@dataclass(frozen=True)
class Options:
    """Print the results of finished runs of experiments.fed as a Markdown table.

    Attributes:
      runs: Folders of finished runs, each with a FedAvg row.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]


def read_run(path: Path) -> FinishedRun:
    """A finished run of ``fed`` that has a FedAvg row.

    Raises:
      ValueError, OSError: it is another one, or damaged.
    """
    folder = existing(path)
    if experiment_of(folder) != "fed":
        raise ValueError(f"{path} is a run of experiments.{experiment_of(folder)}: name runs of experiments.fed")
    run = read_finished(folder, path.name)
    if run.sweep is not None:
        raise ValueError(f"{path} is a sweep, whose rows are no algorithms: name a run without --sweep")
    if REFERENCE not in set(run.rows["name"]):
        raise ValueError(f"{path} has no FedAvg row to compare with: run it again with {REFERENCE} in --algorithms")
    return run


def markdown(runs: Sequence[FinishedRun]) -> str:
    """The table, what its columns mean, the command and hardware of each run, and which rows differ from FedAvg."""
    columns = pd.concat([column for run in runs for column in _columns(run)], axis=1)
    columns.index.name = "algorithm"
    table = columns.fillna(UNDEFINED).reset_index()
    lines = [_line(table.columns), _line(["---"] * len(table.columns)), *map(_line, table.to_numpy())]
    clauses = (f"- {one}" for run in runs for one in (_provenance(run), _differing(run)))
    return "\n".join([*lines, "", _meaning(runs), "", *clauses])


def gains(run: FinishedRun) -> dict[str, Interval]:
    """UF1 of each row less that of FedAvg, by the title of the row."""
    (reference,) = run.rows.loc[run.rows["name"] == REFERENCE, "algorithm"]
    pairs = against(run.differences, [reference])
    bounds = pairs[["uf1", "uf1_low", "uf1_high"]].itertuples(index=False)
    return {title_: Interval(*values) for title_, values in zip(pairs["algorithm"], bounds, strict=True)}


def clients_of(run: FinishedRun) -> str:
    """What the clients of a run are: "5 even clients", or "3 labs, lab shift 1"."""
    settings = run.settings
    if settings.get("labs"):
        return f"{settings['labs']} labs, lab shift {settings['lab_shift']}"
    return f"{settings['clients']} {settings['partition']} clients"


def _columns(run: FinishedRun) -> Iterator["pd.Series[str]"]:
    """UF1 and the difference from FedAvg as text, indexed by the titles of an algorithm's rows."""
    scores = run.summary.set_index("algorithm")[["uf1", "uf1_sd"]]
    bounds = run.intervals[run.intervals["metric"] == "uf1"].set_index("algorithm")[["low", "high"]]
    texts = {
        row.Index: f"{number(row.uf1)} ± {number(row.uf1_sd)} {interval_text(row.low, row.high)}".strip()
        for row in scores.join(bounds, how="inner").itertuples()
    }
    differences = {row: _signed(interval) for row, interval in gains(run).items()}
    for heading, cells in ((f"{clients_of(run)}: UF1", texts), ("minus FedAvg", differences)):
        titles = run.rows.groupby("name", sort=False)["algorithm"].agg(list)
        lines = {LINE_BREAK.join(own): LINE_BREAK.join(cells.get(one, "") for one in own) for own in titles}
        yield pd.Series(lines, name=heading)


def _signed(interval: Interval) -> str:
    """A difference with its sign, bold where its interval excludes 0."""
    sign = "" if interval.estimate < 0 else "+"
    text = f"{sign}{number(interval.estimate)} {interval_text(interval.low, interval.high)}".strip()
    return f"**{text}**" if interval.excludes_zero else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _meaning(runs: Sequence[FinishedRun]) -> str:
    repeats = " or ".join(dict.fromkeys(str(run.num_repeats) for run in runs))
    data = title("UF1", synthetic=any(run.synthetic for run in runs))
    return (
        f"{data}: mean ± sd over {repeats} repeats [{100 * LEVEL:g} % interval by subject]; beside it the paired "
        "difference from FedAvg with its interval, bold where the interval excludes 0."
    )


def _provenance(run: FinishedRun) -> str:
    facts, words = run.environment, shlex.split(run.config["command"])
    kept = [word for before, word in zip(["", *words], words, strict=False) if not _is_place(before, word)]
    hardware = f"{facts['processor']}, {facts['num_cpus']} cores"
    devices = [f"{count} x {kind}" for kind, count in facts["devices"].items() if kind != "cpu"]
    commit = [f"commit {facts['git_commit'][:7]}{facts['git_commit'][40:]}"] if facts["git_commit"] else []
    where = "; ".join([hardware, *devices, f"jax {facts['packages']['jax']}", *commit])
    return f"{clients_of(run)}: `{shlex.join(kept)}` ({where})"


def _is_place(before: str, word: str) -> bool:
    """Whether a word of a command says where files are: an option of ``PLACES``, or the value after it."""
    return before in PLACES or word.partition("=")[0] in PLACES


def _differing(run: FinishedRun) -> str:
    differences = gains(run)
    differing = [
        f"{name} ({_signed(one).strip('*')})"
        for name, one in sorted(differences.items(), key=lambda pair: -abs(pair[1].estimate))
        if one.excludes_zero
    ]
    said = f"{', '.join(differing)} differ from FedAvg" if differing else "no row differs from FedAvg"
    which = "the interval of the paired difference excludes 0" if differing else "every interval contains 0"
    return f"{clients_of(run)}: {said}: {which} ({len(differences)} comparisons, not corrected for their number)."


def main(arguments: Sequence[str]) -> int:
    """Print the table; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    options = parsed(Options, arguments, prog="python -m benchmarks.algorithm_results")
    print(markdown([read_run(path) for path in options.runs]))
    return 0


if __name__ == "__main__":
    exit_with(main)
