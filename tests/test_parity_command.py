import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments.parity.__main__ import main, relative_error
from experiments.run.lifecycle import exit_status

HERE = Path(__file__).parent
OURS = HERE / "parity" / "dpk_gat_seed0.npz"
WHOLE = HERE.parent.parent / "shared" / "golden" / "model_seed0.npz"
Arrays = dict[str, np.ndarray]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[Arrays], tuple[int, str, str]]:
    def run(arrays: Arrays) -> tuple[int, str, str]:
        path = tmp_path / "golden.npz"
        np.savez(path, **arrays)
        status = exit_status(lambda: main(path))
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def arrays() -> Arrays:
    with np.load(OURS) as archive:
        return dict(archive)


@pytest.mark.slow
def test_command_agrees_with_the_carried_numbers_and_says_what_they_lack() -> None:
    command = [sys.executable, "-m", "experiments.parity", "--golden", str(OURS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "DIFFERS" not in done.stdout
    assert "UNCHECKED" not in done.stdout
    for row in ("const", "gat/released/upper", "gat/released/lower", "gat/edges_only/global"):
        assert row in done.stdout
    for row in ("l2a", "fe/train", "tr/batch_first", "whole/official", "inc/after", "grad/full"):
        assert f"absent: {row}" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not WHOLE.exists(), reason="the numbers of the whole network are not here")
def test_command_agrees_with_the_whole_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WHOLE) == 0
    shown = capsys.readouterr().out
    assert "grad/full" in shown
    for word in ("absent", "DIFFERS", "UNCHECKED"):
        assert word not in shown


@pytest.mark.parametrize(
    ("name", "factor", "precisions"),
    [
        ("gat/upper/ratio0.3/layer0/f64", 1 + 1e-4, {"float32", "float64"}),
        ("gat/lower/ratio1.0/gat/f64", 1 + 1e-8, {"float64"}),
        ("gat/global/ratio0.3/layer0_edges_only/f64", np.nan, {"float32", "float64"}),
        ("gat/upper/ratio0.3/gat/f32", 1 + 1e-4, {"float64"}),
        ("const/lower_prior", 1 + 1e-3, {"float32", "float64"}),
    ],
)
@pytest.mark.slow
def test_a_number_that_differs_fails_by_name(
    run: Callable, arrays: Arrays, name: str, factor: float, precisions: set[str]
) -> None:
    arrays[name] = arrays[name] * np.asarray(factor, arrays[name].dtype)
    status, shown, _ = run(arrays)
    assert status == 1
    differing = [line for line in shown.splitlines() if line.startswith(f"DIFFERS: {name} ")]
    assert {line.split(" in ")[1].split()[0] for line in differing} == precisions


@pytest.mark.slow
def test_other_ratios_and_batch_sizes_are_found_by_name(run: Callable, arrays: Arrays) -> None:
    renamed = {
        name.replace("ratio0.3", "ratio0.300"): array[:1] if name.startswith("gat/") else array
        for name, array in arrays.items()
    }
    status, shown, _ = run(renamed)
    assert status == 0, shown
    assert "UNCHECKED" not in shown
    wrong = {name.replace("ratio0.3", "ratio0.4"): array for name, array in arrays.items()}
    assert run(wrong)[0] == 1


@pytest.mark.slow
def test_float32_numbers_without_float64_ones_are_compared_in_float32(run: Callable, arrays: Arrays) -> None:
    status, shown, _ = run({name: array for name, array in arrays.items() if not name.endswith("/f64")})
    assert status == 0
    assert "gat/released/upper" in shown
    assert not [line for line in shown.splitlines() if "gat/" in line and "float64" in line]


@pytest.mark.slow
def test_what_cannot_be_compared_is_listed(run: Callable, arrays: Arrays) -> None:
    del arrays["w/au_model.lower_gat.out_att.a"], arrays["gat/upper/in"]
    arrays["whole/official/ratio0.3/emo_logits/f64"] = arrays["gat/global/ratio0.3/hidden/f64"] = np.ones(3)
    status, shown, _ = run(arrays)
    assert status == 0
    unchecked = {line.removeprefix("UNCHECKED: ") for line in shown.splitlines() if line.startswith("UNCHECKED")}
    lost = {name for name in arrays if name.startswith(("gat/upper/", "gat/lower/")) and not name.endswith("/in")}
    assert unchecked == lost | {"whole/official/ratio0.3/emo_logits/f64", "gat/global/ratio0.3/hidden/f64"}


def without_scale(arrays: Arrays) -> Arrays:
    return arrays | {"w_int8/au_model.predict_fc.0.weight": np.zeros((128, 300), np.int8)}


def with_unknown_weight(arrays: Arrays) -> Arrays:
    return arrays | {"w/au_model.spare": np.zeros(2, np.float32)}


def with_strange_input(arrays: Arrays) -> Arrays:
    return arrays | {"gat/upper/in": np.zeros((2, 5, 25), np.float32)}


def without_results(arrays: Arrays) -> Arrays:
    return {name: array for name, array in arrays.items() if name.startswith("w/")}


def without_weights(arrays: Arrays) -> Arrays:
    return {name: array for name, array in arrays.items() if name.startswith("gat/")}


def with_text(arrays: Arrays) -> Arrays:
    return arrays | {"const/note": np.array(["seed 0"])}


def with_objects(arrays: Arrays) -> Arrays:
    return arrays | {"const/note": np.array([{}], dtype=object)}


@pytest.mark.parametrize(
    ("break_", "sentence"),
    [
        (without_scale, "no w_scale/ for the quantised weights au_model.predict_fc.0.weight"),
        (with_unknown_weight, "1 unknown: au_model.spare"),
        (with_strange_input, "do not fit the network"),
        (without_results, "holds nothing to agree with"),
        (without_weights, "nothing to compare"),
        (with_text, "not numbers: const/note"),
        (with_objects, "not an .npz archive of numpy arrays"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_and_status_2(
    run: Callable, arrays: Arrays, break_: Callable[[Arrays], Arrays], sentence: str
) -> None:
    status, _, complaint = run(break_(arrays))
    assert status == 2
    assert sentence in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"", b"text", b"PK\x03\x04 cut short", "truncated", "directory"])
def test_what_is_no_archive_is_one_sentence_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | str | None
) -> None:
    path = tmp_path / "golden.npz"
    if content == "directory":
        path.mkdir()
    elif content is not None:
        path.write_bytes(OURS.read_bytes()[:100_000] if content == "truncated" else content)
    assert exit_status(lambda: main(path)) == 2
    complaint = capsys.readouterr().err
    assert str(path) in complaint
    assert complaint.count("\n") == 1


def test_errors_are_relative_to_the_largest_magnitude() -> None:
    reference = np.array([0.0, -200.0])
    assert relative_error(np.array([1.0, -200.0]), reference) == 1 / 200
    assert relative_error(np.array([1.0, -200.0]), reference, magnitude=400.0) == 1 / 400
    assert relative_error(np.array([3.0]), np.zeros(1)) == 3
    assert relative_error(np.zeros(3), np.zeros(2)) == np.inf
