"""The networks of folds stay in the run folder: those that were tested, whole, whatever happened on the way."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fed_on_random_data import random_dataset
from test_mer_training import SETTINGS, trained

from experiments.run import networks as kept_networks
from experiments.run.folder import RunFolder
from experiments.training import chunks
from fedpsyau_jax.types import ClientState

pytestmark = pytest.mark.usefixtures("quick_compilation")

DATASET = random_dataset("synthetic", "federated")
LINEAR = ClientState(jax.ShapeDtypeStruct((6, 7), jnp.float32), ())


def weights_of(folder: Path, number: int) -> np.ndarray:
    return kept_networks.read(RunFolder(folder), "folds", number, LINEAR).params


@pytest.mark.parametrize("select", [False, True])
def test_the_kept_network_of_a_fold_gives_the_logits_of_its_test_examples(tmp_path: Path, select: bool) -> None:
    choices = replace(SETTINGS, folds_at_once=3, epochs=6, learning_rate=0.3, validation_share=0.25, select=select)
    finished = trained(DATASET, tmp_path, choices)
    assert len(list((tmp_path / "networks").iterdir())) == len(finished) == 8
    for number, one in enumerate(finished):
        flow = DATASET.examples.flow[one.trial.fold.test]
        logits = flow.reshape(len(flow), -1)[:, :6] @ weights_of(tmp_path, number)
        np.testing.assert_allclose(logits, one.logits["emotion"], atol=1e-5)


def test_resumed_after_a_kill_keeps_the_same_networks_and_none_if_none_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(DATASET, tmp_path / "whole")

    class Killed(Exception):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(chunks, "_write", killed)  # networks are written, predictions are not
        with pytest.raises(Killed):
            trained(DATASET, tmp_path / "killed")
    (tmp_path / "killed" / "networks" / "folds-3.npz").write_bytes(b"half")
    trained(DATASET, tmp_path / "killed")
    names = [f"networks/folds-{number}.npz" for number in range(8)]
    assert sorted(path.name for path in (tmp_path / "killed/networks").iterdir()) == [Path(name).name for name in names]
    for number in range(8):
        np.testing.assert_array_equal(weights_of(tmp_path / "killed", number), weights_of(tmp_path / "whole", number))
    trained(DATASET, tmp_path / "none", replace(SETTINGS, keep_networks=False))
    assert not (tmp_path / "none" / "networks").exists()
