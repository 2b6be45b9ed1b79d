"""experiments.explain on runs of experiments.mer: every example is shown by the network of the fold that tested it."""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import random_dataset
from matplotlib.figure import Figure
from test_explain import random_detector
from test_mer_command import Command

from experiments import explain, mer
from experiments.inputs import databases as loading
from experiments.inputs.configs import NetworkSettings
from experiments.inputs.mer_settings import MerSettings
from experiments.inputs.prior_axis import named_rows
from experiments.pages import explain as explain_page
from experiments.results import mer_results
from experiments.results import scores as results
from experiments.run import commandline
from experiments.run import networks as kept_networks
from experiments.run.folder import RunFolder
from experiments.run.starting import facts_of
from experiments.training import trained_folds, trials
from experiments.training.chunks import Finished
from experiments.training.trials import Trial
from fedpsyau_jax.types import ClientState

pytestmark = pytest.mark.usefixtures("quick_compilation")

DATASET = random_dataset("synthetic", "federated")
PRIORS = ("published", "co-occurrence")
SETTINGS = MerSettings(folds=2, network=NetworkSettings(prior=PRIORS, prior_ratio=0.4))
TITLES = named_rows([mer.AU_TITLES["frozen"]], PRIORS)
TRIALS = trials.trials(trials.folds(SETTINGS, DATASET), DATASET, list(zip(TITLES, PRIORS, strict=True)))


def always(number: int) -> ClientState:
    """A classifier that takes everything for the class of this number."""
    like = trained_folds._like(SETTINGS, DATASET)
    client = jax.tree.map(lambda leaf: np.full(leaf.shape, 1e-3, leaf.dtype), like)
    client.params["classify"]["kernel"][:] = 0
    client.params["classify"]["bias"][:] = 5 * np.eye(7)[number]
    return client


def predicted(trial: Trial, number: int) -> Finished:
    return Finished(trial, {}, {"emotion": np.tile(5 * np.eye(7)[number], (len(trial.fold.test), 1))})


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two priors and two folds; the n-th network knows the n-th class only."""
    folder = RunFolder(tmp_path_factory.mktemp("kept") / "run")
    folder.write_json("config.json", {"experiment": "mer", "command": "mer <b>", "settings": asdict(SETTINGS)})
    folder.write_json("data.json", facts_of(DATASET))
    rows = [mer_results.emotion_rows(DATASET, predicted(trial, n)) for n, trial in enumerate(TRIALS)]
    folder.write_table("predictions.csv", pd.concat(rows))
    folder.write_text("summary.csv", "algorithm\n")
    for number in range(len(TRIALS)):
        kept_networks.write(folder, "folds", number, always(number))
    return folder.path


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    """The command in this process, on random data and a random detector."""
    data = tmp_path_factory.mktemp("data")
    (data / DATASET.name).mkdir(parents=True)

    def command(folder: Path, *options: str) -> int:
        arguments = [str(folder), f"--data-dir={data}", "--ratios", "0", "1", *options]
        return commandline.guarded(lambda: explain.main(arguments))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loading, "load", random_dataset)
        patched.setattr(commandline, "cache_compilations", lambda: None)
        patched.setattr(trained_folds, "frozen_detectors", lambda *_: [random_detector()] * len(PRIORS))
        for slow_to_draw in ("faces", "heat_maps"):  # test_explain.py looks at them
            patched.setattr(explain_page.figures, slow_to_draw, lambda *_, **__: Figure(figsize=(1, 1)))
        yield command


@pytest.fixture(scope="module")
def explained(kept: Path, command: Callable[..., int]) -> tuple[Path, str]:
    """The folder of the results, and what the command said."""
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    output, said = kept.parent / "explained", io.StringIO()
    with redirect_stdout(said):
        assert command(kept, f"--output={output}") == 0
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*")} == before
    return output, said.getvalue()


def test_every_example_is_shown_by_the_network_of_the_fold_that_tested_it(
    kept: Path, explained: tuple[Path, str]
) -> None:
    scores = pd.read_csv(explained[0] / "sensitivity.csv")
    assert sorted(scores["ratio"].unique()) == [0, 0.4, 1]
    assert list(scores["algorithm"].unique()) == TITLES
    pooled = results.score_repeats(RunFolder(kept).read_table("predictions.csv"), part="fold")
    pooled = pooled[pooled["view"] == "pooled"].set_index("algorithm")["uf1"]
    own = scores[scores["ratio"] == 0.4].set_index("algorithm")["uf1"]
    np.testing.assert_allclose(own[TITLES], pooled[TITLES])
    facts = json.loads((explained[0] / "data.json").read_text())
    assert facts["largest_difference"] < 1e-6
    assert (facts["run"]["part"], facts["run"]["parts"], facts["run"]["prior_ratio"]) == ("fold", 2, 0.4)


def test_the_page_speaks_of_folds_and_the_tables_fit_80_columns(explained: tuple[Path, str]) -> None:
    page = (explained[0] / "report.html").read_text()
    for said in ("networks of 2 folds after 10\nepochs", "never trained on it", "mer &lt;b&gt;"):
        assert said in page
    assert "rounds" not in page
    assert "clients" not in page
    assert max(map(len, explained[1].splitlines()[:-1])) <= 80


def test_attention_is_seen_through_the_prior_of_each_fold(explained: tuple[Path, str]) -> None:
    table = pd.read_csv(explained[0] / "attention.csv")
    assert list(table["algorithm"].unique()) == TITLES
    labels = np.asarray(DATASET.examples.emotion)
    for title, of_prior in zip(TITLES, (TRIALS[:2], TRIALS[2:]), strict=True):
        for label, emotion in enumerate(DATASET.class_names):
            counts = np.array([(labels[trial.fold.test] == label).sum() for trial in of_prior])
            parts = [np.asarray(neighbour_softmax(trial.priors.global_)) for trial in of_prior]
            expected = np.einsum("f,fij->ij", counts / counts.sum(), parts)
            rows = table[(table["algorithm"] == title) & (table["graph"] == "global") & (table["layer"] == 1)]
            links = rows[rows["emotion"] == emotion].pivot(index="receiver", columns="sender", values="prior").fillna(0)
            links = links.loc[list(DATASET.au_names), list(DATASET.au_names)]
            np.testing.assert_allclose(links, expected, atol=1e-5)
    assert (table["learned_sd"].dropna() >= 0).all()
    assert table["learned_sd"].max() > 0


def neighbour_softmax(prior) -> jax.Array:
    return jax.nn.softmax(jnp.where(jnp.asarray(prior.topology), prior.statistics, -jnp.inf), axis=-1)


def without(name: str) -> Callable[[Path], None]:
    return lambda run: shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink()


def settings(**changed: object) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        config = json.loads((run / "config.json").read_text())
        config["settings"] |= changed
        (run / "config.json").write_text(json.dumps(config))

    return change


def shorter(run: Path) -> None:
    table = (run / "predictions.csv").read_text().splitlines()
    (run / "predictions.csv").write_text("\n".join(table[:-1]) + "\n")


def other_data(run: Path) -> None:
    facts = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps(facts | {"fingerprint": "another"}))


NO_GRAPH = asdict(replace(SETTINGS.network, variant="no-gat", prior=("published",)))
MISTAKES = {
    "not finished": (without("summary.csv"), "is not finished, .*python -m experiments.mer --resume="),
    "not kept": (without("networks"), "kept no networks: run it again"),
    "not wanted": (settings(keep_networks=False), "kept no networks: run it again, without --no-keep-networks"),
    "one missing": (without("networks/folds-3.npz"), "networks/folds-3.npz is missing; restore it, or run again"),
    "no graph": (settings(network=NO_GRAPH), "--network.variant=no-gat, which has no graph attention"),
    "another network": (settings(au="scratch"), "networks/folds-0.npz is of another run"),
    "predictions lost": (shorter, "predictions.csv is not about the folds and clips"),
    "other data": (other_data, "was run on data with fingerprint another, but"),
}


@pytest.mark.parametrize(("spoil", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(
    kept: Path,
    command: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    run = tmp_path / "run"
    shutil.copytree(kept, run)
    spoil(run)
    assert command(run) == 2
    (told,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert pd.Series([told]).str.contains(said).all(), told
    assert not (run / "explain").exists()


def test_networks_are_tested_with_the_ratio_of_the_last_epoch() -> None:
    assert trained_folds.last_ratio(SETTINGS) == 0.4
    decay = replace(SETTINGS, au="finetuned", prior_schedule="decay", epochs=4)
    assert trained_folds.last_ratio(decay) == pytest.approx(0.09375)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("explain"))


OPTIONS = ("--folds=2", "--epochs=2", "--prior", *PRIORS)
KINDS = {
    "frozen": ("--au=frozen", "--pretraining.epochs=1", "--repeats=2"),
    "scratch": ("--au=scratch", "--prior-schedule=decay", "--validation-share=0.25", "--select"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_commands_one_after_the_other(process: Command, tmp_path: Path, kind: str) -> None:
    run = tmp_path / "run"
    process("mer", *KINDS[kind], *OPTIONS, f"--output={run}")
    (process.folder / "data" / DATASET.name).mkdir(parents=True, exist_ok=True)
    process("explain", str(run), "--ratios", "0", "1")
    ratio = {"frozen": 0.3, "scratch": 0.5}[kind]
    scores, summary = pd.read_csv(run / "explain/sensitivity.csv"), pd.read_csv(run / "summary.csv")
    assert sorted(scores["ratio"].unique()) == sorted({0, ratio, 1})
    titles = named_rows([mer.AU_TITLES[kind]], PRIORS)
    own = scores[scores["ratio"] == ratio].groupby("algorithm")[["uf1", "uar", "au_f1"]].mean()
    np.testing.assert_allclose(own.loc[titles], summary.set_index("algorithm").loc[titles, list(own)], atol=0.02)
    assert list(pd.read_csv(run / "explain/attention.csv")["algorithm"].unique()) == titles
    facts = json.loads((run / "explain/data.json").read_text())
    assert facts["largest_difference"] < 1e-3
    assert facts["run"]["frozen"] == (kind == "frozen")
    networks = [run / f"networks/folds-{number}.npz" for number in (0, 1)]
    exchanged = networks[0].read_bytes()
    shutil.copy(networks[1], networks[0])
    networks[1].write_bytes(exchanged)
    refused = process.start("explain", str(run), "--ratios", "0", "1", f"--output={run / 'again'}")
    assert "do not give its predictions any more: a probability differs" in refused.communicate()[1]
    assert refused.returncode == 2
    assert not (run / "again").exists()
