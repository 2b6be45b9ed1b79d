import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from benchmarks.accelerator import __main__ as command
from benchmarks.accelerator import kernels, measures
from benchmarks.accelerator.operations import dot_operations
from benchmarks.accelerator.problem import SIZES
from benchmarks.accelerator.rounds import Case
from benchmarks.accelerator.tables import markdown
from benchmarks.accelerator.workbench import Record, Workbench, lowered

ROOT = Path(__file__).parents[1]
SMALL = Workbench(SIZES["small"], budget=1e6)


def test_nothing_is_imported_that_a_machine_with_an_accelerator_may_lack() -> None:
    code = (
        "import sys, benchmarks.accelerator.__main__; "
        "print({name.partition('.')[0] for name in sys.modules}"
        " & {'cv2', 'tensorflow_datasets', 'data', 'experiments', 'orbax'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "set()\n"


def test_a_section_that_fails_is_noted_and_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(bench: Workbench) -> Iterator[Record]:
        yield {"what": "first", "s": float("nan")}
        raise RuntimeError("out of\nluck")

    monkeypatch.setitem(command.SECTIONS, "failing", failing)
    written: list[int] = []
    monkeypatch.setitem(command.SECTIONS, "working", lambda bench: iter([{"what": "second", "s": 1.0}]))
    report = command.measured(SMALL, ("failing", "working"), lambda so_far: written.append(len(so_far["sections"])))
    assert report["sections"]["failing"]["error"] == "RuntimeError: out of"
    assert report["sections"]["failing"]["records"] == [{"what": "first", "s": "nan"}]
    assert report["sections"]["working"]["records"] == [{"what": "second", "s": 1.0}]
    assert written == [1, 1, 2, 2]
    text = markdown(json.loads(json.dumps(report)))
    assert "### failing (0 s): RuntimeError: out of" in text
    assert "| what | s |" in text


@pytest.mark.slow
def test_flow_is_measured_on_pictures_that_move() -> None:
    records = list(command.SECTIONS["flow"](SMALL))
    assert [record["what"] for record in records] == ["2 pairs of 24 x 24 at once"]
    assert records[0]["pairs/s"] > 0
    assert 0.05 < records[0]["pixels moved, mean"] < 1.5


def test_nothing_new_is_started_when_the_time_is_up() -> None:
    report = command.measured(Workbench(SIZES["small"], budget=0), ("rates",), lambda _: None)
    assert report["sections"]["rates"] == {"seconds": 0, "error": "not started: the time was up", "records": []}


def test_rates_are_measured_and_a_precision_that_is_not_there_is_told() -> None:
    records = {record["what"]: record for record in measures.rates(SMALL)}
    assert records["product, float32"]["TFLOP/s"] > 0
    assert all("TFLOP/s" in record or "error" in record for name, record in records.items() if "product" in name)


def test_operations_of_matrix_products_are_counted_through_loops() -> None:
    def products(a: Any, length: Any) -> Any:
        def step(value: Any, _: Any) -> Any:
            return value @ value, None

        scanned, _ = jax.lax.scan(step, a, length=3)
        return jax.lax.fori_loop(0, length, lambda _, value: value @ a, scanned)

    jaxpr = jax.make_jaxpr(products)(jnp.ones((4, 4)), 2).jaxpr
    assert dot_operations(jaxpr, batches=5) == (3 + 5) * 2 * 4**3


def test_kernels_are_read_from_the_streams_of_a_trace() -> None:
    def named(kind: str, name: str, pid: int, tid: int) -> Record:
        return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": {"name": name}}

    def ran(name: str, pid: int, tid: int, dur: float) -> Record:
        return {"ph": "X", "name": name, "pid": pid, "tid": tid, "ts": 0, "dur": dur}

    names = [named("process_name", "/device:GPU:0", 1, 0), named("process_name", "/host:CPU", 2, 0)]
    names += [named("thread_name", "Stream #13(Compute)", 1, 7), named("thread_name", "XLA Ops", 1, 8)]
    events = [*names, ran("gemm", 1, 7, 5.0), ran("gemm", 1, 8, 5.0), ran("host", 2, 7, 9.0), {}]
    assert kernels.of_trace(events) == [("gemm", 5e-6)]


def test_a_trace_without_kernels_is_told() -> None:
    assert kernels.profiled(lambda: jnp.ones(3) + 1) == {"kernels": "the profiler's trace holds no kernel of a GPU"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"precision": "tf32"},
        {"trained": "end to end", "clients": 1},
        pytest.param({"trained": "end to end"}, marks=pytest.mark.slow),
        pytest.param({"trained": "end to end", "precision": "bf16"}, marks=pytest.mark.slow),
        pytest.param({"trained": "end to end", "precision": "float64"}, marks=pytest.mark.slow),
        pytest.param({"rows": 4, "repeats": 2, "over_runs": "sequential"}, marks=pytest.mark.slow),
        pytest.param({"precision": "bf16 products", "batches": "fixed", "lowering": "xla"}, marks=pytest.mark.slow),
        pytest.param({"clients": 1, "test": 0, "repeats": 2, "lowering": "im2col"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_rounds_lower_for_cuda_where_there_is_none(changed: dict[str, Any]) -> None:
    traced = lowered(SMALL.case(**changed), ("cuda",))
    assert "stablehlo.dot_general" in traced.step.as_text()
    assert traced.operations > 0


def test_steps_of_an_epoch_are_batches_of_equal_size() -> None:
    assert Case(examples=100, batch=32).steps == 4
    assert Case(examples=650, batch=32).steps == 21


QUICK = ("rates", "rounds", "agreement", "profiles", "flow", "folds", "convolutions", "agreement in float64")
"""The others compile for ten minutes more, cases of the kinds that are lowered above."""


@pytest.mark.slow
def test_the_command_measures_small_sizes_and_agrees_with_the_stored_results(tmp_path: Path) -> None:
    output = tmp_path / "accelerator.json"
    arguments = ["--sizes", "small", "--budget", "3000", "--output", str(output), "--sections", *QUICK]
    words = [sys.executable, "-m", "benchmarks.accelerator", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    sections = report["sections"]
    assert tuple(sections) == QUICK
    assert {name: section["error"] for name, section in sections.items() if section["error"]} == {}
    for record in sections["agreement"]["records"]:
        assert record["weights difference"] < 4 * record["float32 to float64 on a CPU, weights"]
    for record in sections["agreement in float64"]["records"]:
        assert record["weights difference"] < 1e-8
    assert "## rounds" in markdown(report)
