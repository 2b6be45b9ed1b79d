"""experiments.explain on a federation with frozen detectors, some of whose networks are kept."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
import pytest
from explained_runs import (
    DATASET,
    copied,
    explaining,
    finished_run,
    on_random_data,
    random_detector,
    random_weights,
    the_error,
)

from experiments.explanation import own_ratio
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import FedSettings
from experiments.results import scores
from experiments.results.read import read
from experiments.run.folder import RunFolder
from experiments.run.progress import progress
from experiments.training.attending import shapes_of
from experiments.training.prepare import Prepared, prepare
from experiments.training.restore import KeptNetwork, Restored, kept_networks
from experiments.training.store import Detector, detect
from fedpsyau_jax.models.fedpsyau import Detected, emotion_classifier
from fedpsyau_jax.types import Batch, ClientState

pytestmark = pytest.mark.slow

PRIORS = ("published", "co-occurrence")
SETTINGS = FedSettings(
    clients=2,
    repeats=2,
    algorithms=("local", "fedavg", "centralised"),
    rounds=1,
    network=NetworkSettings(prior=PRIORS, prior_ratio=0.4),
)
KEPT = [f"{name}, {prior} prior" for name in ("Local only", "FedAvg") for prior in PRIORS]


class Made(NamedTuple):
    """A run and what the detectors of its kept networks say of all examples, by place of the network."""

    path: Path
    prepared: Prepared
    au_logits: dict[str, np.ndarray]


def look(network: KeptNetwork) -> tuple[np.ndarray, np.ndarray]:
    """AU features and logits of all examples, one after another with another program than that of the command."""
    detector = Detector(random_detector(), network.training.priors, SETTINGS.network.prior_ratio)
    outputs = detect(SETTINGS.network, [detector], DATASET.examples)
    return np.asarray(outputs.features[0]), np.asarray(outputs.logits[0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def logits(network: KeptNetwork, client: ClientState) -> np.ndarray:
        prior, test = network.training.network.prior[0], network.test
        if prior not in seen:  # networks of the first repeat are kept, so a prior is one matrix
            seen[prior] = look(network)
        examples = Detected(DATASET.examples.flow[test], seen[prior][0][test], DATASET.examples.emotion[test])
        apply = jax.jit(lambda client, batch: emotion_classifier(7).apply(*client, batch, None, train=False)[0])
        return np.asarray(apply(client, Batch(examples, np.ones(len(test), np.float32))))

    path = tmp_path_factory.mktemp("made") / "run"
    prepared = finished_run(path, "fed", SETTINGS, random_weights, logits)
    return Made(path, prepared, {prior: own for prior, (_, own) in seen.items()})


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    with explaining(tmp_path_factory.mktemp("explain") / "data") as command:
        yield command


@pytest.fixture(scope="module")
def explained(made: Made, command: Callable[..., int]) -> tuple[Path, str]:
    """The folder of the results, and what the command said."""
    before = {path: path.stat().st_mtime_ns for path in made.path.rglob("*")}
    output, said = made.path.parent / "explained", io.StringIO()
    with redirect_stdout(said):
        assert command(made.path, "--ratios", "0", "1", f"--output={output}") == 0
    assert {path: path.stat().st_mtime_ns for path in made.path.rglob("*")} == before
    return output, said.getvalue()


def test_the_networks_that_fit_are_kept_and_their_predictions_come_out_again(
    made: Made, explained: tuple[Path, str]
) -> None:
    kept = kept_networks(made.prepared)
    assert [(network.training.row, network.training.repeat, network.client) for network in kept] == [
        (row, 0, 0) for row in KEPT
    ]
    facts = json.loads((explained[0] / "data.json").read_text())
    assert 0 < facts["largest_difference"] < 1e-4
    assert (facts["run"]["part"], facts["run"]["parts"], facts["run"]["prior_ratio"]) == ("client", 2, 0.4)
    networks = RunFolder(explained[0]).read_table("networks.csv").set_index("algorithm")
    assert networks["kept"].to_dict() == dict.fromkeys(KEPT, 1) | {f"Centralised, {prior} prior": 0 for prior in PRIORS}
    assert networks["trained"].tolist() == [4, 4, 4, 4, 2, 2]


def test_scores_are_those_of_the_tests_of_the_kept_networks(made: Made, explained: tuple[Path, str]) -> None:
    found = RunFolder(explained[0]).read_table("sensitivity.csv")
    assert sorted(found["ratio"].unique()) == [0, 0.4, 1]
    assert list(found["algorithm"].unique()) == KEPT
    emotions = RunFolder(made.path).read_table("predictions.csv")
    own = emotions[(emotions["repeat"] == 0) & (emotions["client"] == "0")]
    expected = scores.score_repeats(own, part="client").query("view == 'pooled'").set_index("algorithm")["uf1"]
    at_own = found[found["ratio"] == 0.4].set_index("algorithm")
    np.testing.assert_allclose(at_own.loc[KEPT, "uf1"], expected[KEPT])
    assert not at_own["changed"].any()
    test = kept_networks(made.prepared)[0].test
    labels = DATASET.examples.au[test].astype(bool)
    for prior in PRIORS:
        detected = made.au_logits[prior][test] > 0
        hits, errors = (labels & detected).sum(axis=0), (labels != detected).sum(axis=0)
        f1 = np.divide(2 * hits, 2 * hits + errors, out=np.full(12, np.nan), where=2 * hits + errors > 0)
        assert at_own.loc[f"FedAvg, {prior} prior", "au_f1"] == pytest.approx(np.nanmean(f1), abs=1e-6)


def test_attention_of_frozen_detectors_is_over_all_test_examples(made: Made, explained: tuple[Path, str]) -> None:
    table = RunFolder(explained[0]).read_table("attention.csv").astype({"prior": float})
    titles = [f"every algorithm, {prior} prior" for prior in PRIORS]
    assert list(table["algorithm"].unique()) == titles
    keys = ["algorithm", "graph", "layer", "emotion", "receiver"]
    np.testing.assert_allclose(table.groupby(keys)[["learned", "prior", "mixed"]].sum(), 1, rtol=1e-4)
    labels = np.asarray(DATASET.examples.emotion)
    for title, prior in zip(titles, PRIORS, strict=True):
        own = [one for one in made.prepared.table.trainings if one.row == f"FedAvg, {prior} prior"]
        rows = table[(table["algorithm"] == title) & (table["graph"] == "global") & (table["layer"] == 1)]
        for label, emotion in enumerate(DATASET.class_names):
            counts = np.array([(labels[one.split.test] == label).sum() for one in own])
            of_repeats = [np.asarray(neighbour_softmax(one.priors.global_)) for one in own]
            expected = np.einsum("r,rij->ij", counts / counts.sum(), of_repeats)
            links = rows[rows["emotion"] == emotion]
            assert set(links["num_examples"]) == {counts.sum()}
            square = links.pivot(index="receiver", columns="sender", values="prior").fillna(0)
            np.testing.assert_allclose(square.loc[list(DATASET.au_names), list(DATASET.au_names)], expected, atol=1e-5)
        share = 0.3 * 0.4
        np.testing.assert_allclose(
            rows["mixed"], (1 - share) * rows["learned"] + share * rows["prior"], rtol=1e-4, atol=1e-6
        )


def neighbour_softmax(prior) -> jax.Array:
    return jax.nn.softmax(np.where(np.asarray(prior.topology), prior.statistics, -np.inf), axis=-1)


def test_the_page_says_of_how_many_networks_it_is_and_what_attention_is_not(explained: tuple[Path, str]) -> None:
    output, said = explained
    page = (output / "report.html").read_text()
    for text in (
        "4 of\n20 networks are kept",
        "whichever networks are kept",
        "does\nnot explain",
        "Jain and Wallace 2019",
        "Synthetic data.",
        "experiments.fed &lt;b&gt;",
        "networks of 2 clients after 1\nround",
    ):
        assert text in page
    assert 'src="http' not in page
    names = {path.stem for path in (output / "figures").iterdir()}
    assert names == {"sensitivity"} | {f"{kind}_{n}" for kind in ("faces", "upper", "lower", "global") for n in (0, 1)}
    assert "those of the 4 kept of 20 networks; a run with --keep-networks keeps all." in said
    assert "Attention is not an explanation of cause." in said
    tables, _, _ = said.partition("Scores are those")
    assert max(map(len, tables.splitlines())) <= 80


def without(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def changed(name: str, change: Callable[[dict], None]) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        facts = json.loads((run / name).read_text())
        change(facts)
        (run / name).write_text(json.dumps(facts))

    return spoil


def settings(**values: object) -> Callable[[Path], None]:
    return changed("config.json", lambda config: config["settings"].update(values))


def network(**values: object) -> Callable[[Path], None]:
    return changed("config.json", lambda config: config["settings"]["network"].update(values))


def damaged(run: Path) -> None:
    (run / "networks/0-0-0.npz").write_bytes(b"half")


def exchanged(run: Path) -> None:
    (run / "networks/0-0-0.npz").replace(run / "networks/0-4-0.npz")


def other_priors(run: Path) -> None:
    with np.load(run / "priors.npz") as file:
        numbers = file["priors"]
    np.savez(run / "priors.npz", priors=numbers[::-1])


def shorter(name: str) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        lines = (run / name).read_text().splitlines()
        (run / name).write_text("\n".join(lines[:-8]) + "\n")

    return spoil


MISTAKES = {
    "another experiment": (
        changed("config.json", lambda config: config.update(experiment="pretrain")),
        r"is a run of experiments.pretrain, and networks are read from runs of fed, mer and ablate",
    ),
    "not begun": (without("data.json"), r"is not finished, .*python -m experiments.fed --resume="),
    "not finished": (without("summary.csv"), r"is not finished, .*python -m experiments.fed --resume="),
    "partly trained": (shorter("metrics.csv"), r"is not finished, .*python -m experiments.fed --resume="),
    "no graph": (
        network(variant="no-gat", prior=["published"]),
        r"--network.variant=no-gat, which has no graph attention",
    ),
    "other settings": (settings(seed=1), r"run with another prior|is of another run"),
    "other data": (
        changed("data.json", lambda data: data["databases"][0].update(fingerprint="another")),
        r"was run on data with fingerprint another, but .*its networks cannot be tested on them",
    ),
    "no data": (
        changed("data.json", lambda data: data["databases"][0].update(name="synthetic/federated/9.9.9")),
        r"run on synthetic/federated/9.9.9, which is not in .*--data-dir",
    ),
    "other priors": (other_priors, r"was run with another prior than .* has now"),
    "one missing": (without("networks/0-0-0.npz"), r"networks/0-0-0.npz is missing; restore it, or run again"),
    "one damaged": (damaged, r"networks/0-0-0.npz cannot be read .*; restore it, or run again"),
    "exchanged": (exchanged, r"networks/0-0-0.npz is missing"),
}


@pytest.mark.parametrize(("spoil", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(
    made: Made,
    command: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    said: str,
) -> None:
    run = copied(made.path, tmp_path / "run", spoil)
    assert command(run) == 2
    message = the_error(capsys)
    assert pd.Series([message]).str.contains(said).all(), message
    assert not (run / "explain").exists()


def test_other_places_and_ratios_that_are_none_are_refused(
    made: Made, command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").write_text("mine")
    for options, said in (
        ((tmp_path / "nowhere",), "There is no run folder"),
        ((tmp_path,), "it has no config.json"),
        ((made.path, "--ratios", "0", "1.5"), "--ratios=1.5: it must be between 0 and 1"),
        ((made.path, f"--output={tmp_path}"), "exists already; choose another with --output."),
    ):
        assert command(*options) == 2
        assert said in the_error(capsys)
    assert (tmp_path / "precious").read_text() == "mine"


def test_networks_are_tested_with_the_ratio_of_their_run_and_there_must_be_one(made: Made, tmp_path: Path) -> None:
    assert ratio_of(made.path, made.prepared) == 0.4
    swept = replace(SETTINGS, sweep=("prior-ratio=0.1,0.2",), algorithms=("local",))
    with on_random_data(), progress() as stages:
        prepared = prepare(swept, None, tmp_path, (), stages)
    with pytest.raises(ValueError, match=r"rows of .* have different prior ratios \(0\.1, 0\.2\), and all networks"):
        ratio_of(made.path, prepared)


def ratio_of(path: Path, prepared: Prepared) -> float:
    restored = Restored(read(RunFolder(path)), SETTINGS, prepared, {}, kept_networks(prepared))
    return own_ratio(restored, shapes_of(restored))
