"""Which pairs of action units annotations show together, and how the topologies of priors agree with them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.inputs.coordination import CoordinationSettings
from experiments.inputs.priors import prior_named
from experiments.run.folder import RunFolder
from fedpsyau_jax.priors import ACTION_UNITS, AnnotationTable
from fedpsyau_jax.priors.coordination import Coordination, all_links, coordination, face_part, topology_of, verdicts
from fedpsyau_jax.types import Bool

Links = Bool[np.ndarray, "aus=12 aus"]


def pair_tests(settings: CoordinationSettings, table: AnnotationTable) -> Coordination:
    """Test every pair of AUs with the settings of the command."""
    generator = np.random.default_rng(settings.seed)
    return coordination(table, generator, level=settings.level, num_permutations=settings.permutations)


def write(folder: RunFolder, pairs: Coordination, action_units: Sequence[int], topologies: Mapping[str, Links]) -> None:
    """Write pairs.csv, agreement.csv and topology.csv.

    Args:
      folder: of the run.
      pairs: the test of each pair.
      action_units: AU numbers of the columns of the annotations.
      topologies: by the names of their priors.
    """
    folder.write_table("pairs.csv", pairs_table(pairs, action_units))
    folder.write_table("agreement.csv", agreement_table(pairs, action_units, topologies))
    names = [f"AU{au}" for au in action_units]
    links = pd.DataFrame(topology_of(pairs, len(names)).astype(int), columns=names)
    links.insert(0, "receiver", names)
    folder.write_table("topology.csv", links)


def pairs_table(pairs: Coordination, action_units: Sequence[int]) -> pd.DataFrame:
    """One row for each pair of AUs; docs/coordination.md defines the columns."""
    first, second = ([action_units[place] for place in places] for places in (pairs.first, pairs.second))
    columns = {
        "first": [f"AU{au}" for au in first],
        "second": [f"AU{au}" for au in second],
        "face_part": [face_part(one, other) for one, other in zip(first, second, strict=True)],
    }
    for name, values in pairs._asdict().items():
        if name in ("odds_ratio", "odds_ratio_within"):
            columns |= {name: values.estimate, f"{name}_low": values.low, f"{name}_high": values.high}
        elif name not in columns:
            columns[name] = values
    return pd.DataFrame(columns)


def topologies(names: Sequence[str], table: AnnotationTable) -> dict[str, Links]:
    """The topology of each prior.

    Args:
      names: values of ``--prior``.
      table: annotations, for priors that are computed from some: those of the network's twelve AUs.

    Raises:
      ValueError: no such prior, or what its function returns is none.
    """
    return {name: all_links(prior_named(name)(table.of(ACTION_UNITS))) for name in names}


def agreement_table(pairs: Coordination, action_units: Sequence[int], links: Mapping[str, Links]) -> pd.DataFrame:
    """Content of agreement.csv: for each prior, each direction of each pair of AUs, and the verdict on it.

    Args:
      pairs: the test of each pair.
      action_units: AU numbers of the columns of the annotations; the network's twelve are compared.
      links: topologies by the names of their priors.
    """
    node = np.array([ACTION_UNITS.index(au) if au in ACTION_UNITS else -1 for au in action_units])
    known = (node[pairs.first] >= 0) & (node[pairs.second] >= 0)
    first, second, finding = node[pairs.first][known], node[pairs.second][known], pairs.finding[known]
    parts = [
        pd.DataFrame(
            {
                "prior": prior,
                "receiver": [f"AU{ACTION_UNITS[i]}" for i in receiver],
                "sender": [f"AU{ACTION_UNITS[j]}" for j in sender],
                "face_part": [
                    face_part(ACTION_UNITS[i], ACTION_UNITS[j]) for i, j in zip(receiver, sender, strict=True)
                ],
                "linked": linked[receiver, sender].astype(int),
                "finding": finding,
                "q": pairs.q[known],
                "verdict": verdicts(finding, linked[receiver, sender]),
            }
        )
        for prior, linked in links.items()
        for receiver, sender in ((first, second), (second, first))
    ]
    return pd.concat(parts, ignore_index=True)
