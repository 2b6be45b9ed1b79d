"""docs/priors.md and docs/coordination.md say what is there: examples run, options, names and columns exist."""

import doctest
import re
import shlex
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tyro

import fedpsyau_jax.priors
from experiments.coordination import Options
from experiments.inputs.coordination import CoordinationSettings, check
from experiments.inputs.priors import NAMED
from experiments.results.coordination import pairs_table
from fedpsyau_jax.priors import AnnotationTable
from fedpsyau_jax.priors.coordination import coordination

DOCS = Path(__file__).parents[1] / "docs"
PRIORS = (DOCS / "priors.md").read_text()
COORDINATION = (DOCS / "coordination.md").read_text()
COMMANDS = re.findall(r"^python -m experiments\.coordination (.*)$", COORDINATION, re.MULTILINE)


def section(text: str, heading: str) -> str:
    return text.partition(f"## {heading}")[2].partition("\n## ")[0]


@pytest.mark.slow
def test_examples_run() -> None:
    result = doctest.testfile(str(DOCS / "priors.md"), module_relative=False)
    assert result.attempted > 20
    assert result.failed == 0


def test_functions_that_are_named_exist() -> None:
    tables = section(PRIORS, "Make one") + section(PRIORS, "Combine")
    names = {
        name for row in re.findall(r"^\| (`.*?) \|", tables, re.MULTILINE) for name in re.findall(r"`(\w+)\(", row)
    }
    assert len(names) > 12
    assert names <= set(fedpsyau_jax.priors.__all__)


def test_names_of_priors_are_documented_and_none_else() -> None:
    rows = re.findall(r"^\| (`.*?) \|", section(PRIORS, "Your own, on the command line"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == {*NAMED, "shuffled:SEED"}


@pytest.mark.parametrize("arguments", COMMANDS)
def test_commands_parse(arguments: str) -> None:
    check(tyro.cli(Options, args=shlex.split(arguments)).settings)


def test_options_and_their_defaults_are_documented() -> None:
    rows = re.findall(r"^\| `--([\w-]+)` \| (.*?) \|", section(COORDINATION, "Options"), re.MULTILINE)
    defaults = {field.name: field.default for kind in (CoordinationSettings, Options) for field in fields(kind)}
    del defaults["settings"]
    assert {name.replace("-", "_") for name, _ in rows} == set(defaults)
    for name, shown in rows:
        if re.fullmatch(r"[\d.]+", shown):
            assert float(shown) == defaults[name.replace("-", "_")]
        elif name == "prior":
            assert (shown,) == defaults[name]
        else:
            assert defaults[name.replace("-", "_")] is None


def test_columns_of_pairs_are_documented() -> None:
    table = AnnotationTable(np.eye(4, 2), np.ones((4, 2)), np.zeros(4, int), np.repeat(["a", "b"], 2), (1, 2))
    columns = pairs_table(coordination(table, np.random.default_rng(0), num_permutations=9), (1, 2)).columns
    rows = re.findall(r"^\| (`.*?) \|", COORDINATION.partition("Columns of `pairs.csv`")[2], re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(columns)
