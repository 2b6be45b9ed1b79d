"""privacy.csv: the guarantee of each row against each observer, as read from a run folder."""

import pandas as pd

FILE = "privacy.csv"
LARGE = 10.0
"""An epsilon above it means little (Ponomareva et al., How to DP-fy ML, JAIR 2023: reasonable up to about 10)."""
COVERED, NOT_COVERED = "covered", "not covered"
SERVER, SITE, MODELS = "the server", "another site", "the published models"
"""The observers."""
OF_TABLE = SITE
"""The observer whose epsilon stands in tables of scores: the rest of the federation."""


def epsilon_of_rows(privacy: pd.DataFrame | None) -> dict[str, float]:
    """Epsilon of each row whose tested model is covered against another site, by its title.

    Args:
        privacy: as privacy.csv; None where nothing is private, which gives nothing.

    >>> columns = {"algorithm": ["FedAvg"], "against": ["another site"], "epsilon": [8.0], "tested_model": ["covered"]}
    >>> table = pd.DataFrame(columns)
    >>> epsilon_of_rows(table), epsilon_of_rows(None)
    ({'FedAvg': 8.0}, {})
    """
    if privacy is None:
        return {}
    own = privacy[(privacy["against"] == OF_TABLE) & (privacy["tested_model"] == COVERED)]
    return dict(zip(own["algorithm"], own["epsilon"].astype(float), strict=True))
