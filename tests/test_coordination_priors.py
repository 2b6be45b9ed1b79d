"""``python -m experiments.coordination --prior``: the topology of each prior is compared with what is found."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_coordination_command import FEW, plain_table

from experiments import compare
from experiments.coordination import main
from fedpsyau_jax.priors import ACTION_UNITS, AnnotationTable, published
from fedpsyau_jax.priors.coordination import all_links

pytestmark = pytest.mark.slow

MODULE = """
import numpy as np
from fedpsyau_jax.priors import Prior

tables = []

def only_seen_together(table):
    tables.append(table)
    together = (table.aus * table.mask).T @ (table.aus * table.mask) > 15
    links = together | np.eye(12, dtype=bool)
    return Prior(links, links / links.sum(axis=1, keepdims=True))

nothing = lambda table: None
"""
MINE = "topologies_of_mine:only_seen_together"
SEVERAL = ["--prior", "published", "none", MINE]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[AnnotationTable]:
    """What the user's function has been shown."""
    root = tmp_path_factory.mktemp("module")
    (root / "topologies_of_mine.py").write_text(MODULE)
    sys.path.insert(0, str(root))
    return import_module("topologies_of_mine").tables


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tables: list[AnnotationTable]) -> Path:
    del tables
    root = tmp_path_factory.mktemp("coordination")
    table = plain_table(root / "mine.csv")
    assert main(["--table", str(table), "--output", str(root / "run"), *FEW, *SEVERAL]) == 0
    return root / "run"


def test_edges_of_each_prior_are_judged_by_its_own_topology(run: Path) -> None:
    agreement = pd.read_csv(run / "agreement.csv")
    assert agreement["prior"].unique().tolist() == ["published", "none", MINE]
    links = dict(list(agreement.set_index(["receiver", "sender"]).groupby("prior")))
    assert {len(own) for own in links.values()} == {12}
    assert (links["none"]["linked"] == 1).all()
    mine = links[MINE]["linked"]
    assert mine[mine == 1].index.tolist() == [("AU1", "AU2"), ("AU2", "AU1")]
    theirs = all_links(published())
    for receiver, sender in links["published"].index:
        places = [ACTION_UNITS.index(int(name.removeprefix("AU"))) for name in (receiver, sender)]
        assert links["published"].loc[(receiver, sender), "linked"] == theirs[*places]
    for own in links.values():
        assert own.loc[("AU1", "AU2"), "verdict"] == "supported"


def test_a_function_is_shown_the_twelve_action_units_of_the_network(run: Path, tables: list[AnnotationTable]) -> None:
    del run
    assert tables[-1].action_units == ACTION_UNITS
    labelled = dict(zip(ACTION_UNITS, tables[-1].mask.sum(axis=0), strict=True))
    assert {au: count for au, count in labelled.items() if count} == {1: 120, 2: 102, 4: 120, 12: 120}


def test_the_page_and_the_terminal_show_each(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (run / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert all(f"<h3>{name} prior</h3>" in page for name in ("published", "none", MINE))
    assert all((run / "figures" / f"face{ending}").stat().st_size > 5000 for ending in (".png", "_2.svg", "_3.png"))
    main(["--table", str(run.parent / "mine.csv"), "--output", str(tmp_path / "again"), *FEW, *SEVERAL])
    assert "12 edges, against the none prior: 2 supported, 0 contradicted" in capsys.readouterr().out


def test_a_function_that_makes_no_prior_leaves_no_folder(run: Path, tmp_path: Path) -> None:
    options = ["--table", str(run.parent / "mine.csv"), "--output", str(tmp_path / "run"), *FEW]
    with pytest.raises(ValueError, match=r"--prior=topologies_of_mine:nothing: the function returned NoneType"):
        main([*options, "--prior", "topologies_of_mine:nothing"])
    assert not (tmp_path / "run").exists()


def test_studies_with_other_priors_are_compared(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    main(["--table", str(run.parent / "mine.csv"), "--output", str(other), *FEW])
    assert compare.main([str(run), str(other), f"--output={tmp_path / 'compared'}"]) == 0
    assert not pd.read_csv(tmp_path / "compared" / "comparison.csv")["findings_differ"].any()


def test_columns_of_other_action_units() -> None:
    table = AnnotationTable(np.ones((2, 2)), np.ones((2, 2)), np.zeros(2, int), np.array(["a", "b"]), (1, 25))
    assert table.of(ACTION_UNITS).mask.sum(axis=0).tolist() == [2.0, *[0.0] * 11]
