"""How the topologies of priors agree with the pairs of action units that annotations show."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.inputs.priors import prior_named
from fedpsyau_jax.priors import ACTION_UNITS, AnnotationTable
from fedpsyau_jax.priors.coordination import Coordination, all_links, face_part, verdicts
from fedpsyau_jax.types import Bool

Links = Bool[np.ndarray, "aus=12 aus"]


def topologies(names: Sequence[str], table: AnnotationTable) -> dict[str, Links]:
    """The topology of each prior.

    Args:
      names: values of ``--prior``.
      table: annotations for those that are made of some; of AUs, they are shown the network's twelve.

    Raises:
      ValueError: no such prior, or what its function returns is none.
    """
    return {name: all_links(prior_named(name)(table.of(ACTION_UNITS))) for name in names}


def agreement_table(found: Coordination, action_units: Sequence[int], links: Mapping[str, Links]) -> pd.DataFrame:
    """Content of agreement.csv: of each prior, each direction of each pair of its AUs, and the verdict on it.

    Args:
      found: what annotations show.
      action_units: AU numbers of their columns; pairs with others than the network's twelve are left out.
      links: topologies by the names of their priors.
    """
    node = np.array([ACTION_UNITS.index(au) if au in ACTION_UNITS else -1 for au in action_units])
    known = (node[found.first] >= 0) & (node[found.second] >= 0)
    first, second, finding = node[found.first][known], node[found.second][known], found.finding[known]
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
                "q": found.q[known],
                "verdict": verdicts(finding, linked[receiver, sender]),
            }
        )
        for prior, linked in links.items()
        for receiver, sender in ((first, second), (second, first))
    ]
    return pd.concat(parts, ignore_index=True)
