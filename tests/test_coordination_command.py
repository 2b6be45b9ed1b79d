"""``python -m experiments.coordination`` on small tables, and priors by name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.dataset import Dataset
from experiments.coordination import main
from experiments.inputs import annotations as coordination_data
from experiments.pages import coordination as coordination_report
from experiments.pages.coordination_figures import AU_PLACES
from experiments.run.folder import existing
from fedpsyau_jax.priors import ACTION_UNITS
from fedpsyau_jax.priors.action_units import NAMES
from fedpsyau_jax.types import Examples

FEW = ["--level", "0.1", "--permutations", "700"]
CASME2_HEADER = "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion\n"


def plain_table(path: Path, num_subjects: int = 12, clips_each: int = 10) -> Path:
    generator = np.random.default_rng(0)
    columns = {f"AU{au}": (generator.random(num_subjects * clips_each) < 0.3).astype(int) for au in (1, 2, 4, 12)}
    frame = pd.DataFrame({"subject": np.repeat(np.arange(num_subjects), clips_each), **columns, "AU99": 1, "note": "x"})
    frame["AU2"] = frame["AU1"].astype(object)
    frame.loc[::7, "AU2"] = ""
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coordination")
    table = plain_table(root / "mine.csv")
    assert main(["--table", str(table), "--output", str(root / "run"), *FEW]) == 0
    return root / "run"


def test_a_run_folder_holds_everything(run: Path) -> None:
    folder = existing(run)
    assert folder.read_json("config.json")["settings"]["level"] == 0.1
    data = folder.read_json("data.json")
    assert data["fingerprint"] == data["tables"]["mine.csv"] == coordination_data.sha256(run.parent / "mine.csv")
    assert data["au_labelled"] == [120, 102, 120, 120]
    names = {f"figures/{name}.{ending}" for name in ("face", "phi", "conditional") for ending in ("png", "svg")}
    assert all((run / name).stat().st_size > 5000 for name in names)
    page = (run / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "prefers-color-scheme: dark" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_tables_say_what_was_planted(run: Path) -> None:
    pairs = pd.read_csv(run / "pairs.csv")
    assert len(pairs) == 6
    best = pairs.sort_values("p").iloc[0]
    assert (best["first"], best["second"], best["finding"], best["num_clips"]) == ("AU1", "AU2", "together", 102)
    assert best["second_given_first"] == best["first_given_second"] == best["phi"] == 1
    agreement = pd.read_csv(run / "agreement.csv")
    assert len(agreement) == 12
    edge = agreement[(agreement["receiver"] == "AU2") & (agreement["sender"] == "AU1")].iloc[0]
    assert (edge["prior"], edge["linked"], edge["verdict"]) == ("published", 1, "supported")
    topology = pd.read_csv(run / "topology.csv", index_col="receiver")
    assert topology.loc["AU1", "AU2"] == topology.loc["AU2", "AU1"] == topology.loc["AU4", "AU4"] == 1


OTHERS = ("AU1", "AU43", "AU25", "AU26")
"""Only one of them is among the twelve of the network."""


@pytest.mark.parametrize("ending", ["xlsx", "csv"])
def test_a_table_of_any_action_units_in_any_format(tmp_path: Path, ending: str, capsys: pytest.CaptureFixture) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({name: (generator.random(80) < 0.4).astype(int) for name in OTHERS})
    frame["AU26"] = frame["AU25"]
    frame.insert(0, "Participant", np.repeat(np.arange(8), 10))
    frame = frame.rename(columns={"AU43": "au 43"}).assign(AU99=1, AU4_r=2.5)
    table = tmp_path / f"mine.{ending}"
    frame.to_excel(table, index=False) if ending == "xlsx" else frame.to_csv(table, index=False, sep=";")
    assert main(["--table", str(table), "--output", str(tmp_path / "run"), *FEW]) == 0
    pairs = pd.read_csv(tmp_path / "run" / "pairs.csv").set_index(["first", "second"])
    assert pairs["finding"].to_dict()["AU25", "AU26"] == "together"
    assert pairs["face_part"].to_dict() == {
        ("AU1", "AU43"): "upper",
        ("AU25", "AU26"): "lower",
        **{(upper, lower): "across" for upper in OTHERS[:2] for lower in OTHERS[2:]},
    }
    assert len(pd.read_csv(tmp_path / "run" / "agreement.csv")) == 0
    page, shown = (tmp_path / "run" / "report.html").read_text(), capsys.readouterr().out
    assert "No pair of these AUs is in it." in page
    for said in (page, shown):
        assert "olumns that name no action unit of FACS are ignored: AU99, AU4_r." in said
    assert "1 together: AU25-AU26" in shown


@pytest.mark.slow
def test_the_annotations_of_a_database_of_ones_own(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(["--database", "fed_on_random_data:own_dataset", "--output", str(run), *FEW]) == 0
    assert len(pd.read_csv(run / "pairs.csv")) == 66


@pytest.mark.slow
def test_clips_of_one_subject_and_action_units_that_never_vary(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"subject": "me", "AU1": (generator.random(60) < 0.4).astype(int), "AU4": 0, "AU12": 1})
    frame["AU2"] = frame["AU1"].astype(object)
    frame.loc[:5, "AU2"] = "NA"
    frame.to_csv(tmp_path / "mine.csv", index=False)
    assert main(["--table", str(tmp_path / "mine.csv"), "--output", str(tmp_path / "run"), *FEW]) == 0
    pairs = pd.read_csv(tmp_path / "run" / "pairs.csv").set_index(["first", "second"])
    assert pairs.loc[("AU1", "AU2"), ["finding", "num_clips"]].tolist() == ["together", 54]
    assert (pairs["finding"].drop(("AU1", "AU2")) == "too rare").all()
    for said in (capsys.readouterr().out, (tmp_path / "run" / "report.html").read_text()):
        assert "ll clips show one subject: the findings hold for this person only" in said


def test_every_named_action_unit_has_a_place_of_its_own_on_the_face() -> None:
    places = np.array([AU_PLACES[au] for au in NAMES])
    apart = np.linalg.norm(places[:, None] - places, axis=-1)[np.triu_indices(len(places), 1)]
    assert apart.min() > 0.075


@pytest.mark.slow
def test_the_page_can_be_made_again_and_says_when_faces_are_rendered(run: Path) -> None:
    folder = existing(run)
    before = (run / "report.html").read_bytes()
    coordination_report.write(folder)
    assert (run / "report.html").read_bytes() == before
    folder.write_json("data.json", folder.read_json("data.json") | {"synthetic": True})
    assert "Coordination of action units (synthetic data)" in coordination_report.write(folder).read_text()
    folder.write_text("report.html", before.decode())


def test_the_table_of_a_database_is_recognised(tmp_path: Path) -> None:
    rows = ["1,EP02_01f,,46,59,86,,12,happiness", "2,EP03_01,,1,5,9,,4+L1,disgust", "2,EP03_02,,1,/,9,,?,others"]
    (tmp_path / "CASME2.csv").write_text(CASME2_HEADER + "\n".join(rows) + "\n")
    table, facts = coordination_data.of_table(tmp_path / "CASME2.csv", None)
    assert facts["name"] == "casme2 (CASME2.csv)"
    assert (facts["num_samples"], facts["num_unlabelled"], facts["num_subjects"]) == (3, 1, 2)
    assert [ACTION_UNITS[au] for au in np.flatnonzero(table.aus[1])] == [1, 4]
    assert table.mask[:, 0].tolist() == [1, 1, 0]
    assert coordination_data.of_table(tmp_path / "CASME2.csv", "casme2").table.subject.tolist()[0] == "sub01"


def test_a_database_gives_its_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = np.eye(3, 12, dtype=np.float32)
    blank = {name: np.zeros((3, 1)) for name in ("flow", "patches")}
    dataset = Dataset(
        name="disfa/all/1.0.0",
        examples=Examples(**blank, au=marks, au_mask=1 - marks[::-1], emotion=np.array([-1, -1, -1])),
        subject=np.array(["a", "b", "b"]),
        clip=np.array(["1", "2", "3"]),
        class_names=("anger",),
        au_names=tuple(f"AU{au}" for au in ACTION_UNITS),
        synthetic=False,
        fingerprint="abc",
        metadata={"tables": {"labels": "123"}, "dropped": [{"row": 1, "clip": "0", "reason": "no apex"}]},
    )
    asked: list[object] = []
    monkeypatch.setattr(coordination_data, "load", lambda *given, **named: (asked.extend(given[:2]), dataset)[1])
    table, facts = coordination_data.of_database("disfa", None, Path("copy"), lambda items, *_: items)
    assert asked == ["disfa", "all"]
    np.testing.assert_array_equal(table.mask, 1 - marks[::-1])
    assert (facts["tables"], facts["fingerprint"], len(facts["drops"])) == ({"labels": "123"}, "abc", 1)
    assert facts["au_counts"][:3] == [1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the annotations"),
        (["--database", "casme4"], "--database=casme4: did you mean casme3? there are"),
        (["--database", "test_own_database:nothing"], "returned NoneType, not a Dataset"),
        (["--table", "none.csv"], "none.csv"),
        (["--table", "text.csv"], "neither a table of casme3"),
        (["--table", "text.csv", "--database", "samm"], "no column"),
        (["--table", "text.csv", "--database", "disfa"], "no single table"),
        (["--table", "three.csv"], "row 3: AU2 is '3'; write 0, 1"),
        (["--table", "nobody.csv"], "row 2: no subject"),
        (["--table", "one.csv"], "only one column of an action unit"),
        (["--table", "twice.csv"], "AU2 has 2 columns; keep one"),
        (["--table", "unnamed.csv"], "it has AU1, AU2 but no column subject"),
        (["--table", "header.csv"], "nothing is below its header"),
        (["--table", "words.csv"], "row 2: AU1 is 'yes'; write 0, 1"),
        (["--table", "many.csv", "--permutations", "1500"], "for 91 pairs at --level=0.05; give at least 1819"),
        (["--table", "long.csv"], "more cells than the header"),
        (["--table", "empty.csv"], "neither a table of casme3"),
        (["--table", "blank.csv"], "nothing to test"),
        (["--table", "text.csv", "--level", "1.5"], "--level=1.5"),
        (["--table", "text.csv", "--permutations", "100"], "give at least 1319"),
        (["--table", "text.csv", "--seed=-1"], "--seed=-1"),
        (["--table", "text.csv", "--prior", "publishd"], "--prior=publishd: did you mean published?"),
        (["--table", "text.csv", "--prior", "none", "none"], "--prior none none: name each prior once"),
        (["--table", "text.csv", "--prior"], "at least one"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: Sequence[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.csv").write_text("a,b\n1,2\n")
    Path("three.csv").write_text("subject,AU1,AU2\na,1,0\nb,1,3\n")
    Path("nobody.csv").write_text("subject,AU1,AU2\n,1,0\n")
    Path("one.csv").write_text("subject,AU1,AU99\na,1,0\n")
    Path("twice.csv").write_text("subject,AU1,AU2,au 02\na,1,0,1\n")
    Path("unnamed.csv").write_text("who,AU1,AU2\na,1,0\n")
    Path("header.csv").write_text("subject,AU1,AU2\n")
    Path("words.csv").write_text("subject,AU1,AU2\na,yes,no\n")
    Path("many.csv").write_text("subject," + ",".join(f"AU{au}" for au in list(NAMES)[:14]) + "\na" + ",1" * 14 + "\n")
    Path("long.csv").write_text("subject,AU1,AU2\na,1,0,5\n")
    Path("empty.csv").write_text("")
    Path("blank.csv").write_text("subject,AU1,AU2\na,,\n")
    with pytest.raises((ValueError, OSError), match=r".") as caught:
        main(arguments)
    assert message in str(caught.value)
    assert not Path("runs").exists()
