"""Runs of experiments.pretrain and of experiments.coordination, compared."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from made_up_runs import finished_pretraining, finished_run
from test_compare import command, refused

from experiments import coordination

__all__ = ["command"]


def study(path, *, seed=0, level=0.1, num_subjects=12, linked=("AU1", "AU2")):
    generator = np.random.default_rng(0)
    columns = {f"AU{au}": (generator.random(num_subjects * 10) < 0.3).astype(int) for au in (1, 2, 4, 12)}
    frame = pd.DataFrame({"subject": np.repeat(np.arange(num_subjects), 10), **columns})
    frame[linked[1]] = frame[linked[0]]
    frame.to_csv(path.with_suffix(".csv"), index=False)
    options = [f"--seed={seed}", f"--level={level}", "--permutations=700", f"--output={path}"]
    coordination.main(["--table", str(path.with_suffix(".csv")), *options])
    return path


@pytest.fixture(scope="module")
def detectors(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrainings")
    return finished_pretraining(root / "good", skill=0.95), finished_pretraining(root / "poor", skill=0.6)


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    return study(root / "one"), study(root / "other", linked=("AU4", "AU12"))


def test_detectors_are_scored_and_paired_by_action_unit(command, detectors, tmp_path):
    status, out, _ = command(*detectors, "--output", tmp_path / "compared")
    assert status == 0
    table = pd.read_csv(tmp_path / "compared" / "comparison.csv").set_index(["run", "algorithm"])
    assert [algorithm for _, algorithm in table.index] == ["AU detector", "AU detector", "all AUs everywhere"]
    for path in detectors:
        row, summary = table.loc[path.name, "AU detector"], pd.read_csv(path / "summary.csv").set_index("algorithm")
        assert row["au_f1"] == pytest.approx(summary.loc["AU detector", "au_f1"])
        assert row["au_f1_low"] < row["au_f1"] < row["au_f1_high"]
        scores = pd.read_csv(path / "au_scores.csv").set_index(["algorithm", "au"])["f1"]
        assert row["AU12"] == pytest.approx(scores["AU detector", "AU12"])
    assert np.isnan(table.loc["good", "all AUs everywhere"]["au_f1_low"])
    pairs = pd.read_csv(tmp_path / "compared" / "differences.csv")
    assert len(pairs) == 1
    assert pairs["au_f1_low"].item() > 0.1
    assert "good: AU detector minus poor: AU detector" in out
    assert "Validation scores of action units (synthetic data)" in out
    assert "Validation scores of action units" in (tmp_path / "compared" / "report.html").read_text()


def test_detectors_of_several_priors_are_paired_within_their_run(command, tmp_path):
    names = tuple(f"AU detector, {prior} prior" for prior in ("published", "uniform"))
    path = finished_pretraining(tmp_path / "both", skill=0.9, algorithms=names)
    status, out, _ = command(path, "--output", tmp_path / "compared")
    assert status == 0
    table = pd.read_csv(tmp_path / "compared" / "comparison.csv")
    assert table["algorithm"].tolist() == [*names, "all AUs everywhere"]
    assert table["kind"].tolist() == ["trained", "trained", "baseline"]
    pairs = pd.read_csv(tmp_path / "compared" / "differences.csv")
    assert pairs[["algorithm", "other_algorithm"]].to_numpy().tolist() == [list(names)]
    assert f"{names[0]} minus {names[1]}" in " ".join(out.split())


def test_detectors_that_were_validated_on_others_are_refused_and_not_paired(command, detectors, tmp_path):
    other = finished_pretraining(tmp_path / "other", skill=0.9, seed=1)
    message = refused(command(detectors[0], other, "--output", tmp_path / "compared"))
    assert "seed is 0 in good and 1 in other; the set of validated clips is" in message
    _, out, _ = command(detectors[0], other, "--allow-different", "--output", tmp_path / "compared")
    assert "No paired differences between good and other" in out
    assert not len(pd.read_csv(tmp_path / "compared" / "differences.csv"))


def test_studies_are_put_side_by_side_and_say_which_pairs_differ(command, studies, tmp_path):
    message = refused(command(*studies, "--output", tmp_path / "compared"))
    assert "data is one.csv with fingerprint" in message
    status, out, _ = command(*studies, "--allow-different", "--output", tmp_path / "compared")
    assert status == 0
    table = pd.read_csv(tmp_path / "compared" / "comparison.csv").set_index(["first", "second"])
    assert len(table) == 6
    first = pd.read_csv(studies[0] / "pairs.csv").set_index(["first", "second"])
    assert table.loc[("AU1", "AU4"), "phi_one"] == first.loc[("AU1", "AU4"), "phi"]
    assert table.loc[("AU1", "AU2"), "finding_one"] == table.loc[("AU4", "AU12"), "finding_other"] == "together"
    assert set(table.index[table["findings_differ"] == 1]) >= {("AU1", "AU2"), ("AU4", "AU12")}
    assert "Pairs found in one run and not in another" in " ".join(out.split())
    assert "Warning: data is one.csv" in out
    page = (tmp_path / "compared" / "report.html").read_text()
    assert "AU4 AU12" in page
    assert "Not the same study." in page


def test_studies_of_one_table_with_other_permutations_find_the_same(command, studies, tmp_path):
    again = study(tmp_path / "again", seed=5)
    (again / "data.json").write_text((studies[0] / "data.json").read_text())
    status, out, _ = command(studies[0], again, "--output", tmp_path / "compared")
    assert status == 0
    assert "All runs find the same pairs." in out


def test_runs_about_different_things_are_refused_even_if_told_to(command, detectors, studies, tmp_path):
    message = refused(command(detectors[0], studies[0], finished_run(tmp_path / "run"), "--allow-different"))
    assert (
        "they are about action units in good (experiments.pretrain) and pairs of action units in one "
        "(experiments.coordination) and emotions in run (experiments.fed); compare them apart"
    ) in message


@pytest.mark.slow
def test_a_federation_and_a_cross_validation_are_told_apart_without_naming_every_setting(command, tmp_path):
    paths = (
        finished_run(tmp_path / "fed"),
        finished_run(tmp_path / "mer", experiment="mer", protocol="kfold", clients=None, rounds=None),
    )
    message = refused(command(*paths))
    assert (
        "more than their methods: how predictions are pooled is over clients in fed and over folds in mer." in message
    )
    assert command(*paths, "--allow-different", "--output", tmp_path / "compared")[0] == 0


def damaged(path, name, change):
    path = path / name
    path.write_text(change(path.read_text()))


DAMAGES = {
    "half a line": ("predictions.csv", lambda text: text[: text.rindex(",") - 30], "line 241: column .* is empty"),
    "no rows": ("predictions.csv", lambda text: text.splitlines()[0] + "\n", "predictions.csv has no rows"),
    "no subject": ("predictions.csv", lambda text: text.replace("subject", "who"), "has no column subject"),
    "words for numbers": ("predictions.csv", lambda text: text.replace(",1.0,", ",one,"), "p_.* is not all numbers"),
    "no such class": (
        "predictions.csv",
        lambda text: text.replace(",anger,", ",joy,"),
        "line .*'joy' in column label is none of",
    ),
    "binary": ("predictions.csv", lambda _: "\0\1", "predictions.csv"),
    "empty": ("predictions.csv", lambda _: "", "predictions.csv cannot be read"),
    "no JSON": ("data.json", lambda text: text[:40], "data.json cannot be read"),
    "other JSON": ("data.json", lambda _: "[]", "data.json does not say databases; restore it"),
    "no databases": ("data.json", lambda text: text.replace("name", "title"), "does not say name of a database"),
    "no settings": ("config.json", lambda _: '{"experiment": "fed"}', "names no experiment and its settings"),
    "a list": ("config.json", lambda _: "[1]", "names no experiment and its settings"),
    "unknown experiment": ("config.json", lambda t: t.replace('"fed"', '"cook"'), "experiments.cook: runs of fed, mer"),
    "no summary column": ("summary.csv", lambda text: text.replace("uf1", "f1"), "has no uf1 in its summary"),
    "an empty summary": ("summary.csv", lambda text: text.splitlines()[0] + "\n", "is about nothing that was trained"),
    "no rounds": ("metrics.csv", lambda text: text.splitlines()[0] + "\n", "is not finished .0 of 3 rounds"),
    "rows twice": ("predictions.csv", lambda text: text + text.splitlines()[-1] + "\n", "line 242: a clip that was"),
}


@pytest.mark.parametrize(("name", "change", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named_in_one_sentence(command, tmp_path, name, change, said):
    path = finished_run(tmp_path / "run")
    damaged(path, name, change)
    message = refused(command(path, "--output", tmp_path / "compared"))
    assert pd.Series(message).str.contains(said).item(), message
    assert not (tmp_path / "compared").exists()


def test_predictions_that_lost_rows_do_not_give_the_scores_of_the_summary(command, tmp_path):
    path = finished_run(tmp_path / "run")
    damaged(path, "predictions.csv", lambda text: "\n".join(text.splitlines()[:-9]) + "\n")
    status, _, errors = command(path, "--output", tmp_path / "compared")
    assert status == 2
    assert "the predictions of P-FedProx do not give the scores of summary.csv (uf1" in errors
    assert not (tmp_path / "compared").exists()


def test_damage_of_other_runs_is_named_too(command, detectors, studies, tmp_path):
    path = shutil.copytree(detectors[0], tmp_path / "detector")
    damaged(path, "au_scores.csv", lambda text: text.replace("au,", "unit,", 1))
    assert "au_scores.csv has no column au; restore it" in refused(command(path))
    path = shutil.copytree(detectors[0], tmp_path / "columns")
    damaged(path, "au_predictions.csv", lambda text: text.replace("mask_", "masks_", 1))
    assert "au_predictions.csv has no column mask_" in refused(command(path))
    path = shutil.copytree(studies[0], tmp_path / "study")
    damaged(path, "pairs.csv", lambda text: text.replace("phi", "psi"))
    assert "pairs.csv has no column phi" in refused(command(path))
    for change in (lambda text: text.rsplit("\n", 3)[0] + "\n", lambda text: text + text.splitlines()[-1] + "\n"):
        cut = shutil.copytree(studies[0], tmp_path / "cut")
        damaged(cut, "pairs.csv", change)
        assert "pairs.csv does not have each pair of 4 action units once" in refused(command(cut))
        shutil.rmtree(cut)
    (path / "topology.csv").unlink()
    assert "study is not finished: run it again" in refused(command(path))
    data = json.loads((studies[1] / "data.json").read_text())
    path = shutil.copytree(studies[1], tmp_path / "other")
    (path / "data.json").write_text(json.dumps({"name": data["name"]}))
    assert "data.json does not say au_names" in refused(command(path))
