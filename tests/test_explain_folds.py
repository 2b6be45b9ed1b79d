"""experiments.explain on cross-validations: every example is shown by the network of the fold that tested it."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from explained_runs import DATASET, copied, explaining, finished_run, the_error

from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import AblateSettings, MerSettings
from experiments.run import networks as stored
from experiments.run.folder import RunFolder
from experiments.training.prepare import Prepared
from experiments.training.restore import kept_networks

pytestmark = pytest.mark.slow

PRIORS = ("published", "uniform")
MER = MerSettings(folds=2, epochs=2, network=NetworkSettings(prior=PRIORS, prior_ratio=0.4))
ABLATION = AblateSettings(
    variants=("no-gat", "global-only"), epochs=2, repeats=1, prior_schedule="decay", network=NetworkSettings()
)
Explained = tuple[Path, Prepared, RunFolder, str]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    with explaining(tmp_path_factory.mktemp("explain") / "data") as command:
        yield command


def explained(run: Path, prepared: Prepared, command: Callable[..., int]) -> Explained:
    said = io.StringIO()
    with redirect_stdout(said):
        assert command(run) == 0
    return run, prepared, RunFolder(run / "explain"), said.getvalue()


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory, command: Callable[..., int]) -> Explained:
    """Two priors and two folds over frozen detectors, all kept; the n-th network knows the n-th class only."""
    run = tmp_path_factory.mktemp("folds") / "run"
    return explained(run, finished_run(run, "mer", MER), command)


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory, command: Callable[..., int]) -> Explained:
    """Whole networks of two variants and two folds, three of which are kept."""
    run = tmp_path_factory.mktemp("ablation") / "run"
    return explained(run, finished_run(run, "ablate", ABLATION), command)


def test_where_all_networks_are_kept_scores_are_those_of_the_run(folds: Explained) -> None:
    run, prepared, output, said = folds
    assert len(kept_networks(prepared)) == 4
    summary = RunFolder(run).read_table("summary.csv").set_index("algorithm")
    scores = output.read_table("sensitivity.csv")
    titles = [f"frozen AU module, {prior} prior" for prior in PRIORS]
    assert list(scores["algorithm"].unique()) == titles
    own = scores[scores["ratio"] == 0.4].set_index("algorithm")
    np.testing.assert_allclose(own.loc[titles, ["uf1", "uar"]], summary.loc[titles, ["uf1", "uar"]])
    facts = output.read_json("data.json")
    assert facts["largest_difference"] < 1e-6
    assert facts["run"]["frozen"]
    assert list(output.read_table("attention.csv")["algorithm"].unique()) == titles
    page = (output.path / "report.html").read_text()
    for text in ("networks of 2 folds after 2\nepochs", "never trained on it", "4 of\n4 networks are kept"):
        assert text in page
    assert "--keep-networks" not in page + said
    assert "clients" not in page


def test_attention_of_whole_networks_is_that_of_the_kept_ones_on_their_own_tests(ablation: Explained) -> None:
    _, prepared, output, _ = ablation
    (network,) = [kept for kept in kept_networks(prepared) if kept.training.network.variant == "global-only"]
    table = output.read_table("attention.csv").astype({"prior": float})
    assert list(table["algorithm"].unique()) == ["global-only, published"]
    assert list(table["graph"].unique()) == ["global"]
    counts = table.drop_duplicates("emotion").set_index("emotion")["num_examples"]
    labels = np.asarray(DATASET.examples.emotion)[network.test]
    assert counts.to_dict() == {DATASET.class_names[n]: (labels == n).sum() for n in np.unique(labels)}
    sums = table.groupby(["layer", "emotion", "receiver"])[["learned", "prior", "mixed"]].sum()
    np.testing.assert_allclose(sums, 1, rtol=1e-4)
    assert table["learned_sd"].isna().all()
    ratio = output.read_json("data.json")["run"]["prior_ratio"]
    assert ratio == pytest.approx(float(network.training.numbers.ratio[-1]))
    assert 0 < ratio < 1
    share, first = 0.5 * ratio, table[table["layer"] == 1]
    mixed = (1 - share) * first["learned"] + share * first["prior"]
    np.testing.assert_allclose(first["mixed"], mixed, rtol=1e-4, atol=1e-6)


def test_rows_without_graph_attention_are_left_out_and_said(ablation: Explained) -> None:
    _, _, output, said = ablation
    assert list(output.read_table("sensitivity.csv")["algorithm"].unique()) == ["global-only, published"]
    networks = output.read_table("networks.csv")
    assert networks.to_dict("records") == [{"algorithm": "global-only, published", "kept": 1, "trained": 2}]
    page = (output.path / "report.html").read_text()
    for text in ("Left out.</strong> no-gat:", "decayed from 1", "beta 0.5", "networks that are kept, and over"):
        assert text in page
    assert "Left out, as they have no graph attention: no-gat." in said
    assert "those of the 1 kept of 2 networks" in said


def variants(*names: str) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        config = json.loads((run / "config.json").read_text())
        config["settings"]["variants"] = names
        (run / "config.json").write_text(json.dumps(config))

    return spoil


def test_an_ablation_without_any_graph_attention_is_refused(
    ablation: Explained, command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(ablation[0], tmp_path / "run", variants("no-gat", "no-transformer-no-gat"))
    assert command(run, f"--output={tmp_path / 'out'}") == 2
    assert "run with --variants no-gat no-transformer-no-gat, which have no graph attention" in the_error(capsys)
    assert not (tmp_path / "out").exists()


def test_networks_of_another_fold_are_refused(
    folds: Explained, command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, prepared, *_ = folds
    first, second = (run / stored.FOLDER / f"{name}-{number}.npz" for name, number in pair(prepared))

    def exchange(copy: Path) -> None:
        (copy / stored.FOLDER / first.name).write_bytes(second.read_bytes())

    assert command(copied(run, tmp_path / "run", exchange), f"--output={tmp_path / 'out'}") == 2
    assert "is of another run, or of another part of this one; restore it, or run again" in the_error(capsys)
    assert not (tmp_path / "out").exists()


def pair(prepared: Prepared) -> list[tuple[str, int]]:
    return [network.file for network in kept_networks(prepared)[:2]]


def test_predictions_that_do_not_come_out_again_are_refused(
    folds: Explained, command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def other_predictions(copy: Path) -> None:
        folder = RunFolder(copy)
        table = folder.read_table("predictions.csv")
        first = table.columns.get_loc(f"p_{DATASET.class_names[0]}")
        table.iloc[3, first] += 0.1
        folder.write_table("predictions.csv", table)

    assert command(copied(folds[0], tmp_path / "run", other_predictions), f"--output={tmp_path / 'out'}") == 2
    assert "do not give its predictions any more: a probability differs by 0.1" in the_error(capsys)
    assert not (tmp_path / "out").exists()
