"""What networks made of their prior: attention as the layer uses it, networks tested again as they were tested."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from fed_on_random_data import random_dataset
from rich.console import Console

from experiments import explain
from experiments.inputs import databases as loading
from experiments.inputs.configs import FedSettings, NetworkSettings
from experiments.inputs.detectors import detector_like
from experiments.pages import explain as explain_page
from experiments.results import attention as explain_tables
from experiments.run import commandline
from experiments.run.folder import RunFolder
from experiments.training import comparison
from experiments.training.detecting import detect
from experiments.training.reevaluation import Reevaluated, reevaluation
from experiments.training.splitting import federations, repeated_splits
from experiments.training.tasks import CHUNK, Detector, frozen
from experiments.training.trained_federations import of_federations
from experiments.training.trained_networks import TrainedRun
from fedpsyau_jax.checkpoint import Restored
from fedpsyau_jax.federated import in_chunks
from fedpsyau_jax.models.attention import attention_dense
from fedpsyau_jax.models.dpk_gat import DPKGAT
from fedpsyau_jax.priors import Masking, Priors, neighbours, published, released
from fedpsyau_jax.types import ClientState

pytestmark = pytest.mark.usefixtures("quick_compilation")

SETTINGS = FedSettings(clients=2, repeats=2, algorithms=("local", "fedavg"), network=NetworkSettings(prior_ratio=0.4))
DATASET = random_dataset("synthetic", "federated")
COUNT = len(DATASET.subject)


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


def random_detector() -> ClientState:
    """Weights of about unit gain; drawn by shape, as initialisers take long to compile."""
    draw = np.random.default_rng(3)

    def weights(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        scale = 0.3 / np.sqrt(max(np.prod(leaf.shape[:-1]), 1))
        return jnp.asarray(draw.normal(size=leaf.shape) * scale, leaf.dtype)

    params, state = detector_like(SETTINGS.network)
    return ClientState(jax.tree.map(weights, params), jax.tree.map(lambda leaf: jnp.ones(leaf.shape), state))


@pytest.fixture(scope="module")
def run() -> TrainedRun:
    """As if read back: two priors, two algorithms, two repeats, two clients, all with weights of their own."""
    settings = replace(SETTINGS, network=replace(SETTINGS.network, prior=("published", "uniform")))
    detectors = [Detector(random_detector(), published()), Detector(random_detector(), reversed_links())]
    splits = repeated_splits(settings, DATASET)
    found = federations(settings, splits, np.array([[0, 0], [COUNT, COUNT]]))
    task = frozen(settings, DATASET, jnp.zeros((2 * COUNT, 12, 25)))
    like, draw = jax.eval_shape(task.init, jax.random.key(0)), np.random.default_rng(4)
    shape = (2, 4, 2)  # algorithms, runs, clients
    clients = jax.tree.map(lambda leaf: jnp.asarray(draw.uniform(0.0, 0.1, (*shape, *leaf.shape)), leaf.dtype), like)
    experiment = comparison.Experiment(settings, RunFolder(Path("somewhere")), DATASET, found)
    length = found[0].data().test.mask.shape[-1]
    logits = {"emotion": np.zeros((4, 2, 2, length, len(DATASET.class_names)))}
    return of_federations(experiment, detectors, task, [clients], [logits], Restored(1, None, ()))


def reversed_links() -> Priors:
    return jax.tree.map(lambda leaf: leaf[::-1, ::-1], published())


@pytest.fixture(scope="module")
def again(run: TrainedRun) -> dict[float, list[Reevaluated]]:
    program = reevaluation(run)
    return {ratio: jax.device_get(program(ratio)) for ratio in (0.0, 0.4, 1.0)}


def test_networks_do_again_what_they_did_after_their_training(
    run: TrainedRun, again: dict[float, list[Reevaluated]]
) -> None:
    outputs = detect(SETTINGS, run.detectors, DATASET.examples)
    task = frozen(SETTINGS, DATASET, outputs.features)
    (group,) = run.groups
    predict = jax.jit(in_chunks(task.predict(task.store), min(group.tests.mask.shape[-1], CHUNK)))
    (seen,) = again[0.4]
    for at in [(0, 0, 0), (2, 1, 1), (1, 0, 1), (3, 1, 0)]:
        own, test = jax.tree.map(lambda leaf, at=at: leaf[at], (group.clients, group.tests))
        expected = predict(own, test)["emotion"]
        np.testing.assert_allclose(seen.evaluation["emotion"][at], expected, rtol=1e-4, atol=1e-5)
        logits = np.asarray(outputs.logits)[np.asarray(test.examples)]
        np.testing.assert_allclose(seen.evaluation["au"][at], logits, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 1e-3


def test_the_prior_ratio_mixes_the_attention_and_reaches_the_predictions(
    again: dict[float, list[Reevaluated]],
) -> None:
    none, some, full = (again[ratio][0] for ratio in (0.0, 0.4, 1.0))
    first, _ = some.attention["upper"]
    share = 0.3 * 0.4
    np.testing.assert_allclose(first.mixed, (1 - share) * first.learned + share * first.prior, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(none.attention["upper"][0].mixed, none.attention["upper"][0].learned, rtol=1e-5)
    assert np.abs(none.evaluation["au"] - full.evaluation["au"]).max() > 0


def test_attention_is_the_mean_of_each_emotions_test_examples(
    run: TrainedRun, again: dict[float, list[Reevaluated]]
) -> None:
    table = explain_tables.attention(run, again[0.4])
    assert list(table["algorithm"].unique()) == ["every algorithm, published prior", "every algorithm, uniform prior"]
    keys = ["algorithm", "graph", "layer", "emotion", "receiver"]
    sums = table.groupby(keys)[["learned", "prior", "mixed"]].sum()
    np.testing.assert_allclose(sums, 1, rtol=1e-4)
    tested = np.concatenate([own for clients in run.groups[0].tested for own in clients])
    counts = table.drop_duplicates("emotion").set_index("emotion")["num_examples"]
    assert counts.sum() == len(tested)
    links = table[(table["algorithm"] == "every algorithm, published prior") & (table["graph"] == "global")]
    pairs = links[(links["layer"] == 1) & (links["emotion"] == links["emotion"].iloc[0])]
    assert len(pairs) == published().global_.topology.sum()
    assert {("AU9", "AU2")} <= set(zip(pairs["receiver"], pairs["sender"], strict=True))
    assert not {("AU2", "AU9")} & set(zip(pairs["receiver"], pairs["sender"], strict=True))


def test_scores_and_changes_are_counted_at_each_ratio(run: TrainedRun, again: dict[float, list[Reevaluated]]) -> None:
    scores = explain_tables.sensitivity(run, again)
    assert len(scores) == 3 * 4 * 2
    assert not scores.loc[scores["ratio"] == 0.4, "changed"].any()
    other = {0.4: again[0.4], 1.0: [one._replace(evaluation=negated(one.evaluation)) for one in again[0.4]]}
    assert explain_tables.sensitivity(run, other)["changed"].max() > 0


def negated(evaluation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: -logits for name, logits in evaluation.items()}


def test_networks_that_are_not_those_of_the_run_are_refused(
    run: TrainedRun, again: dict[float, list[Reevaluated]]
) -> None:
    before, _ = explain_tables.predictions(run, again[0.4])
    assert explain.refuse_others(replace(run, before=before), again[0.4]) == 0
    probabilities = [f"p_{name}" for name in DATASET.class_names]
    other = replace(run, before=before.assign(**{probabilities[0]: before[probabilities[0]] + 0.1}))
    with pytest.raises(ValueError, match=r"somewhere do not give its predictions any more: a probability differs"):
        explain.refuse_others(other, again[0.4])
    undefined = replace(run, before=before.assign(**{probabilities[0]: np.nan}))
    with pytest.raises(ValueError, match=r"somewhere do not give its predictions any more: some are undefined"):
        explain.refuse_others(undefined, again[0.4])


def test_distances_are_total_variations() -> None:
    rows = [
        ("a", emotion, count, receiver, sender, learned, prior, prior)
        for emotion, count, shares in (("joy", 3, (1.0, 0.0)), ("fear", 1, (0.0, 1.0)))
        for receiver in ("AU1", "AU2")
        for sender, learned, prior in zip(("AU1", "AU2"), shares, (0.75, 0.25), strict=True)
    ]
    names = ["algorithm", "emotion", "num_examples", "receiver", "sender", "learned", "prior", "mixed"]
    (found,) = explain_page.distances_of(pd.DataFrame(rows, columns=names).assign(graph="upper", layer=1)).to_dict(
        "records"
    )
    assert found["learned_prior"] == pytest.approx((3 * 0.25 + 0.75) / 4)
    assert found["mixed_prior"] == 0
    assert found["prior_equal"] == pytest.approx(0.25)
    assert found["between_emotions"] == pytest.approx((3 * 0.25 + 0.75) / 4)


def test_the_page_is_one_file_and_says_what_attention_is_not(
    run: TrainedRun, again: dict[float, list[Reevaluated]], tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    folder.write_table("sensitivity.csv", explain_tables.sensitivity(run, again))
    table = explain_tables.attention(run, again[0.4])
    two = table["emotion"].isin(DATASET.class_names[:2]) & table["algorithm"].str.contains("published")
    folder.write_table("attention.csv", table[two])
    about = {"command": "fed <b>", **asdict(replace(run.progress, wanted=4)), "frozen": True}
    facts = {"name": "random", "synthetic": True, "fingerprint": "f", "au_names": list(DATASET.au_names)}
    facts |= {"run": about | {"prior_ratio": 0.4, "beta": 0.3}, "largest_difference": 1e-6}
    folder.write_json("data.json", facts)
    folder.write_json("config.json", {"command": "explain"})
    folder.write_json("environment.json", {"python": "3", "platform": "p", "git_commit": None, "packages": {}})
    text = explain_page.write(folder).read_text()
    for said in ("does\nnot explain", "Jain and Wallace 2019", "Synthetic data.", "1 of 4 rounds", "fed &lt;b&gt;"):
        assert said in text
    assert text.count("(synthetic data)") >= 4
    assert 'src="data:image/png' in text
    assert 'src="http' not in text
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {
        "sensitivity",
        *(f"{name}_0" for name in ("faces", "upper", "lower", "global")),
    }


def test_every_number_is_whole_on_80_columns(
    run: TrainedRun, again: dict[float, list[Reevaluated]], tmp_path: Path
) -> None:
    named = {name: f"{name}, my_own_priors:psychology" for name in ("Local only", "FedAvg", "every algorithm")}
    tables = (explain_tables.attention(run, again[0.4]), explain_tables.sensitivity(run, again))
    attention, sensitivity = (table.replace({"algorithm": named}, regex=True) for table in tables)
    data = {"synthetic": True, "run": {"prior_ratio": 0.4}}
    found = explain_page.Explained({}, {}, data, attention, sensitivity)
    output = io.StringIO()
    Console(file=output, width=80).print(explain_page.terminal_table(found))
    shown = output.getvalue()
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    sheets = explain_page.scores_sheet(found), explain_page.distances_sheet(found)
    for values in (sheets[0].iloc[:, 2:], sheets[1].iloc[:, 3:]):
        lines = [" ".join(row) for row in values.to_numpy()]
        assert all(line in " ".join(shown.split()) for line in lines)


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The sentence that the command ends with, run in this process."""
    monkeypatch.setattr(loading, "load", random_dataset)
    monkeypatch.setattr(commandline, "cache_compilations", lambda: None)

    def mistaken(*options: object) -> str:
        assert commandline.guarded(lambda: explain.main([str(option) for option in options])) == 2
        (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
        return said

    return mistaken


def folder_of(path: Path, experiment: str = "fed", checkpoint: bool = True, **network: str) -> Path:
    settings = replace(SETTINGS, network=replace(SETTINGS.network, **network))
    (path / "checkpoints" / "1").mkdir(parents=True) if checkpoint else path.mkdir()
    facts = {"name": DATASET.name, "fingerprint": "another", "synthetic": True}
    (path / "config.json").write_text(
        json.dumps({"experiment": experiment, "command": "c", "settings": asdict(settings)})
    )
    (path / "data.json").write_text(json.dumps(facts))
    return path


MISTAKES = {
    "another experiment": (
        {"experiment": "ablate"},
        r"is a run of experiments.ablate, .*networks of runs of fed and mer",
    ),
    "no checkpoint": ({"checkpoint": False}, r"has no checkpoint yet"),
    "no graph": ({"variant": "no-gat"}, r"--network.variant=no-gat, which has no graph attention"),
    "no data": ({}, r"synthetic/federated/0.0.0, which is not in .*--data-dir"),
}


@pytest.mark.parametrize(("made", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(mistaken: Callable[..., str], tmp_path: Path, made: dict, said: str) -> None:
    run_folder = folder_of(tmp_path / "run", **made)
    message = mistaken(run_folder, "--data-dir", tmp_path / "data")
    assert pd.Series([message]).str.contains(said).all(), message
    assert not (run_folder / "explain").exists()


def test_other_data_other_places_and_ratios_that_are_none_are_refused(
    mistaken: Callable[..., str], tmp_path: Path
) -> None:
    run_folder = folder_of(tmp_path / "run")
    (tmp_path / "data" / DATASET.name).mkdir(parents=True)
    assert "was run on data with fingerprint another, but" in mistaken(run_folder, "--data-dir", tmp_path / "data")
    assert "There is no run folder" in mistaken(tmp_path / "nowhere")
    assert "no config.json" in mistaken(tmp_path)
    assert "--ratios: 1.5 is not between 0 and 1" in mistaken(run_folder, "--ratios", "0", "1.5")
    (run_folder / "explain").mkdir()
    (run_folder / "explain" / "precious").write_text("mine")
    assert "exists already; choose another with --output." in mistaken(run_folder)
    assert (run_folder / "explain" / "precious").read_text() == "mine"
