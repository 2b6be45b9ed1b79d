"""The table of docs/algorithms.md from finished runs: one line for each algorithm, differences in its direction."""

import re
from pathlib import Path

import pandas as pd
import pytest
from made_up_runs import finished_run, rows_table

from benchmarks.algorithm_results import main, markdown, read_run

TITLES = ["Local only", "FedAvg", "Ditto (personal)", "Ditto (global)"]
NAMES = ["local", "fedavg", "ditto", "ditto"]


def run_of(path: Path, skills: list[float], number: int = 4, **settings: object) -> Path:
    rows = rows_table(TITLES[:number]).assign(name=NAMES[:number])
    settings = {"partition": "even", "labs": None, "lab_shift": "1", **settings}
    return finished_run(path, rows=rows, skill=skills, **settings)  # type: ignore[arg-type]


def lines_of(text: str) -> dict[str, list[str]]:
    cells = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {first: others for first, *others in cells}


@pytest.mark.slow
def test_each_algorithm_is_one_line_with_its_scores_and_differences(tmp_path: Path) -> None:
    even = run_of(tmp_path / "even", [0.1, 0.5, 0.95, 0.5])
    labs = run_of(tmp_path / "labs", [0.5, 0.5], 2, labs=3, lab_shift="0.5")
    text = markdown([read_run(even), read_run(labs)])
    table = lines_of(text)
    assert list(table) == ["algorithm", "---", "Local only", "FedAvg", "Ditto (personal)<br>Ditto (global)"]
    assert table["algorithm"][::2] == ["2 even clients: UF1", "3 labs, lab shift 0.5: UF1"]
    assert table["FedAvg"][1] == table["FedAvg"][3] == ""
    personal, global_ = table["Ditto (personal)<br>Ditto (global)"][1].split("<br>")
    assert re.fullmatch(r"\*\*\+\.\d{3} \[\.\d{3}, \.\d{3}\]\*\*", personal)
    assert not global_.startswith("*")
    assert table["Local only"][1].startswith("**-.")
    assert table["Ditto (personal)<br>Ditto (global)"][2:] == ["-", "-"]
    summary = pd.read_csv(even / "summary.csv").set_index("algorithm")
    assert table["FedAvg"][0].startswith(f"{summary.loc['FedAvg', 'uf1']:.3f}".removeprefix("0"))


@pytest.mark.slow
def test_what_stands_below_names_data_command_and_what_differs(tmp_path: Path) -> None:
    apart = run_of(tmp_path / "apart", [0.1, 0.5, 0.95, 0.5])
    alike = run_of(tmp_path / "alike", [1.0, 1.0], 2, clients=7)
    command = (apart / "config.json").read_text().replace("experiments.fed", f"experiments.fed --mu 1 --output {apart}")
    (apart / "config.json").write_text(command)
    text = markdown([read_run(apart), read_run(alike)])
    assert "UF1 (synthetic data): mean ± sd over 2 repeats [95 % interval by subject]" in text
    assert "`python -m experiments.fed --mu 1` (" in text
    assert str(tmp_path) not in text
    assert re.search(r"cores; jax \d", text)
    (said,) = re.findall(r"2 even clients: (.* differ from FedAvg): the interval", text)
    assert set(re.findall(r"([\w ()]+) \([+-]\.", said.replace(", ", "|"))) == {"Local only", "Ditto (personal)"}
    assert "7 even clients: no row differs from FedAvg: every interval contains 0 (1 comparisons" in text


@pytest.mark.slow
def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    alone = finished_run(tmp_path / "alone", rows=rows_table(["Local only"]))
    with pytest.raises(ValueError, match="has no FedAvg row to compare with: run it again with fedavg in --algorithms"):
        main([str(alone)])
    with pytest.raises(ValueError, match=r"is a run of experiments\.mer: name runs of experiments\.fed"):
        main([str(finished_run(tmp_path / "folds", experiment="mer"))])
    swept = rows_table(["FedAvg, mu 1"], mu=[1.0]).assign(name="fedavg")
    with pytest.raises(ValueError, match="is a sweep"):
        main([str(finished_run(tmp_path / "swept", rows=swept))])
