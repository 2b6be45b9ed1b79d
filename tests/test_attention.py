"""Attention as a layer uses it, its tables, and the distances and scores that the page of experiments.explain shows."""

import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from experiments.pages import explain as page
from experiments.results import attention as tables
from experiments.results import schema
from experiments.run.folder import RunFolder
from experiments.training.attending import shared_title
from fedpsyau_jax.models.attention import attention_dense
from fedpsyau_jax.models.dpk_gat import DPKGAT
from fedpsyau_jax.priors import Masking, neighbours, published, released

CLASSES, AUS = ("joy", "fear"), ("AU1", "AU2")
LONG = "P-FedProx, my_own_priors:psychology prior"


@pytest.mark.parametrize("masking", [neighbours, released])
def test_mixed_attention_is_the_share_of_each_and_sums_to_one(masking: Masking) -> None:
    draw, prior, strength = np.random.default_rng(0), published().upper, 0.3
    receiving, sending = jnp.asarray(draw.normal(size=(2, 4, 6, 3)), jnp.float32)
    learned, known, mixed = attention_dense(receiving, sending, prior, strength, masking)
    both = (1 - strength) * learned + strength * known
    np.testing.assert_allclose(mixed, both / both.sum(axis=-1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(learned.sum(axis=-1), 1, rtol=1e-6)
    assert learned.shape == mixed.shape == (4, 3, 6, 6)
    assert not np.asarray(known)[~prior.topology].any()


@pytest.mark.slow
def test_a_layer_shows_the_attention_that_it_uses_and_only_when_asked() -> None:
    module, prior = DPKGAT(), published().lower
    nodes = jax.random.normal(jax.random.key(0), (5, 6, 25))
    params = module.init(jax.random.key(1), nodes, prior, 0.3, train=False)
    assert set(params) == {"params"}

    @jax.jit
    def shown(ratio: float) -> tuple[jax.Array, dict]:
        return module.apply(params, nodes, prior, ratio, train=False, mutable=["intermediates"])

    result, seen = shown(0.5)
    first, second = seen["intermediates"]["attention"]
    assert first.mixed.shape == (5, 3, 6, 6)
    assert second.mixed.shape == (5, 1, 6, 6)
    both = 0.85 * first.learned + 0.15 * first.prior  # beta is 0.3
    np.testing.assert_allclose(first.mixed, both / both.sum(axis=-1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(result, jax.jit(lambda: module.apply(params, nodes, prior, 0.5, train=False))())


def attention_table() -> pd.DataFrame:
    """Three examples of joy and one of fear; joy attends to AU1 alone, fear to AU2."""
    learned = np.zeros((2, 2, 2, 2))
    learned[0, 0, :, 0], learned[1, 0, :, 0], learned[1, 1, :, 1] = 2, 1, 1
    counts = np.array([[2, 0], [1, 1]])
    prior = counts[..., None, None] * np.array([[0.75, 0.25], [0.75, 0.25]])
    sums = {"learned": learned, "prior": prior, "mixed": prior}
    keys = {"algorithm": "a", "graph": "upper", "layer": 1}
    return tables.attention_rows(keys, sums, counts, CLASSES, AUS)


def test_attention_is_the_mean_over_the_examples_of_an_emotion() -> None:
    table = attention_table().set_index(["emotion", "receiver", "sender"]).sort_index()
    assert table.loc["joy", "num_examples"].unique().tolist() == [3]
    assert table.loc[("joy", "AU2"), "learned"].to_dict() == {"AU1": 1, "AU2": 0}
    assert table.loc[("fear", "AU2"), "learned"].to_dict() == {"AU1": 0, "AU2": 1}
    assert table.loc["joy", "learned_sd"].tolist() == [0] * 4
    assert table.loc["fear", "learned_sd"].isna().all()


def test_distances_are_total_variations() -> None:
    (found,) = page.distances_of(attention_table()).to_dict("records")
    assert found["learned_prior"] == pytest.approx((3 * 0.25 + 0.75) / 4)
    assert found["mixed_prior"] == 0
    assert found["prior_equal"] == pytest.approx(0.25)
    assert found["between_emotions"] == pytest.approx((3 * 0.25 + 0.75) / 4)


def predicted(*classes: int, algorithm: str = "a") -> tables.Predictions:
    keys = {"algorithm": algorithm, "repeat": 0, "fold": "0", "client": schema.ALL}
    clips, labels = [f"clip{number}" for number in range(len(classes))], np.arange(len(classes)) % 2
    shape = len(classes), 2
    emotions = schema.emotion_rows(keys, clips, clips, labels, np.eye(2)[list(classes)], CLASSES)
    return emotions, schema.au_rows(keys, clips, clips, np.ones(shape), np.ones(shape), np.ones(shape), AUS)


def test_scores_and_changes_are_counted_at_each_ratio() -> None:
    found = {0.0: predicted(0, 0, 0, 1), 0.5: predicted(0, 1, 0, 1), 1.0: predicted(1, 0, 1, 0)}
    table = tables.sensitivity(found, 0.5, "fold").set_index("ratio")
    assert table["changed"].to_dict() == {0.0: 0.25, 0.5: 0, 1.0: 1}
    assert table["accuracy"].to_dict() == {0.0: 0.75, 0.5: 1, 1.0: 0}
    assert table["au_f1"].tolist() == [1, 1, 1]


def test_rows_that_share_a_detector_are_called_by_what_they_have_in_common() -> None:
    assert shared_title(["FedAvg", "FedProx"]) == "every algorithm"
    assert shared_title(["FedAvg, published prior"]) == "FedAvg, published prior"
    assert shared_title(["full, published, batch 8", "full, published, batch 16"]) == "full, published"


def results(path: Path, kept: int) -> RunFolder:
    """A folder of made-up results."""
    folder = RunFolder(path)
    found = {ratio: predicted(0, 1, 0, 0, algorithm=LONG) for ratio in (0.0, 0.4, 1.0)}
    folder.write_table("sensitivity.csv", tables.sensitivity(found, 0.4, "fold"))
    folder.write_table("attention.csv", attention_table().assign(algorithm=LONG))
    folder.write_table("networks.csv", pd.DataFrame([(LONG, kept, 2)], columns=["algorithm", "kept", "trained"]))
    about = {"command": "mer <b>", "part": "fold", "unit": "epoch", "parts": 2, "done": 3, "repeats": 1}
    about |= {"decayed": False, "frozen": True, "prior_ratio": 0.4, "betas": {"full": 0.3}, "without_attention": ["x"]}
    facts = {"name": "random", "synthetic": True, "fingerprint": "f", "au_names": list(AUS), "run": about}
    folder.write_json("data.json", facts | {"largest_difference": 1e-6})
    folder.write_json("config.json", {"command": "explain"})
    folder.write_json("environment.json", {"python": "3", "platform": "p", "git_commit": None, "packages": {}})
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kept", [1, 2])
def test_the_page_is_one_file_and_says_how_many_networks_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(page.figures, "faces", lambda *_, **__: Figure(figsize=(1, 1)))
    html = page.write(results(tmp_path, kept)).read_text()
    assert f"{kept} of\n2 networks are kept" in html
    assert ("--keep-networks" in html) == (kept == 1)
    assert html.count("(synthetic data)") >= 4
    assert 'src="data:image/png' in html
    assert 'src="http' not in html
    assert "mer &lt;b&gt;" in html
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"sensitivity", "faces_0", "upper_0"}


def test_every_number_is_whole_on_80_columns(tmp_path: Path) -> None:
    found, output = page.read(results(tmp_path, 1)), io.StringIO()
    Console(file=output, width=80).print(page.terminal_table(found))
    shown = output.getvalue()
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    sheets = page.scores_sheet(found), page.distances_sheet(found)
    for values in (sheets[0].iloc[:, 2:], sheets[1].iloc[:, 3:]):
        lines = [" ".join(row) for row in values.to_numpy()]
        assert all(line in " ".join(shown.split()) for line in lines)
