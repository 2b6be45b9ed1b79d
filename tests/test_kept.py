from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_mer_training import SETTINGS, at_once, dataset, logits_of, trained  # noqa: F401 fixtures

from data.dataset import Dataset
from experiments.training import chunks

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize("damage", ["nonsense", "another chunk"])
def test_a_damaged_chunk_is_trained_again_bit_identically(
    dataset: Dataset,  # noqa: F811
    tmp_path: Path,
    at_once: list[chunks.Finished],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
    damage: str,
):
    settings = replace(SETTINGS, folds_at_once=4)
    trained(dataset, tmp_path, settings)
    first, second = (tmp_path / "finished" / f"folds-{number}.npz" for number in (0, 1))
    second.write_bytes(b"PK" if damage == "nonsense" else first.read_bytes())
    np.testing.assert_array_equal(logits_of(trained(dataset, tmp_path, settings)), logits_of(at_once))
    assert f"Warning: {second}" in capsys.readouterr().err
    np.testing.assert_array_equal(logits_of(trained(dataset, tmp_path, settings)), logits_of(at_once))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"trials_at_once": 0}', '{"trials_at_once": "4"}'])
def test_a_damaged_number_of_folds_is_named(dataset: Dataset, tmp_path: Path, content: str):  # noqa: F811
    (tmp_path / "finished").mkdir()
    (tmp_path / "finished" / "folds.json").write_text(content)
    with pytest.raises(ValueError, match=r"folds.json does not say how many folds train at once; delete it"):
        trained(dataset, tmp_path)
