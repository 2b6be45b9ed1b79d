"""The priors of a run are written into its folder, and it goes on with no others."""

from pathlib import Path

import jax
import numpy as np
import pytest
from fed_on_random_data import random_dataset

from experiments.inputs.prior_files import FILE, check_priors_unchanged, keep_priors
from experiments.inputs.priors import annotations_of, prior_named
from experiments.run.folder import RunFolder

TABLE = annotations_of(random_dataset("synthetic", "federated"))
ROWS = (np.arange(20), np.arange(10, 30))
PRIORS = [
    (f"{name}, repeat {repeat}", jax.tree.map(np.asarray, prior_named(name)(TABLE.rows(rows))))
    for name in ("published", "co-occurrence")
    for repeat, rows in enumerate(ROWS)
]


def test_a_prior_that_changed_is_refused_when_going_on(tmp_path: Path):
    folder = RunFolder(tmp_path)
    check_priors_unchanged(folder, PRIORS)  # nothing is written yet
    keep_priors(folder, PRIORS)
    rounded = [(name, jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), prior)) for name, prior in PRIORS]
    keep_priors(folder, rounded)
    changed = [*PRIORS[:3], (PRIORS[3][0], PRIORS[2][1])]
    for check in (keep_priors, check_priors_unchanged):
        with pytest.raises(ValueError, match=r"another prior than co-occurrence, repeat 1 has now: put back"):
            check(folder, changed)
    with pytest.raises(ValueError, match="another prior than published, repeat 0"):
        keep_priors(folder, PRIORS[:2])


@pytest.mark.parametrize("damage", ["empty", "half", "other arrays", "text"])
def test_a_damaged_file_of_priors_is_named(tmp_path: Path, damage: str):
    folder = RunFolder(tmp_path)
    keep_priors(folder, PRIORS)
    path = tmp_path / FILE
    if damage in ("empty", "half"):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if damage == "half" else b"")
    else:
        np.savez(path, **{"other" if damage == "other arrays" else "priors": np.array(["a"])})
    with pytest.raises(ValueError, match=r"priors.npz (cannot be read \(.+\)|holds no priors); restore it; or, if"):
        keep_priors(folder, PRIORS)
