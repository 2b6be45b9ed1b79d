"""Options, sentences and divisions of runs of several processes."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.run.cluster import SLURM_VARIABLES, Meeting, joined, meeting
from experiments.run.processes import ALONE, Processes
from experiments.run.reports import sentence_for
from experiments.training.parts import num_parts, padded, part_of
from fedpsyau_jax.federated import averaging, dense, isolation, personalised
from fedpsyau_jax.federated.factored import factored, is_factored

OF_SLURM = dict(zip(SLURM_VARIABLES, ["7", "node[1-2]", "4", "3", "1"], strict=True))
FACTS = {"number": 2, "last": 1, "index": 1, "coordinator": "a:1", "seconds": 9, "folder": "runs/x", "log": "x.log"}
MISTAKES = {
    "no coordinator": ((None, 2, 0), "--coordinator missing: several processes need --coordinator=HOST:PORT"),
    "no number": (("host:1", None, 0), "--processes missing"),
    "no id": (("host:1", 2, None), "--process-id missing"),
    "no port": (("host", 2, 0), "--coordinator=host: give HOST:PORT, an address of process 0, or slurm"),
    "no process": (("host:1", 0, 0), "--processes=0: it must be at least 1"),
    "wrong id": (("host:1", 2, 2), "--process-id=2: with --processes=2 give 0 to 1"),
    "negative id": (("host:1", 2, -1), "--process-id=-1: with --processes=2 give 0 to 1"),
    "slurm and a number": (("slurm", 2, None), "leave out --processes and --process-id"),
    "no slurm": (("slurm", None, None), "SLURM_JOB_ID is not set; start the processes with srun"),
}


def test_without_options_a_process_is_alone():
    assert meeting(None, None, None, 300) is None
    with joined(None, "runs/x") as processes:
        assert processes == ALONE
    with joined(Meeting("host:1", 1, 0, 300), "runs/x") as processes:
        assert processes == ALONE


def test_processes_meet_at_an_address_or_as_slurm_says():
    assert meeting("host:1", 4, 3, 300, {}) == Meeting("host:1", 4, 3, 300)
    assert meeting("slurm", None, None, 60, OF_SLURM) == Meeting("slurm", 4, 3, 60)


@pytest.mark.parametrize(("given", "said"), MISTAKES.values(), ids=MISTAKES)
def test_options_that_do_not_fit_together_are_one_sentence(given: tuple[str | None, int | None, int | None], said: str):
    with pytest.raises(ValueError, match=re.escape(said)):
        meeting(*given, 300, {})


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("RPC: RegisterTask DEADLINE_EXCEEDED", "not all 2 processes met at a:1 within 9 s"),
        (
            "ALREADY_EXISTS: request from a newer incarnation. RegisterTask",
            "two processes came to a:1 with --process-id=1",
        ),
        ("the JAX distributed service detected fatal errors", "with --resume=runs/x, to go on"),
        ("Check failed", "its report is in x.log"),
    ],
)
def test_a_report_of_jax_is_one_sentence(report: str, said: str):
    assert said in sentence_for(report, **FACTS)


def test_a_single_process_agrees_with_itself():
    arrays = {"w": np.arange(3)}
    assert ALONE.agreed(lambda: 5) == ALONE.one_before_all(lambda: 5) == 5
    assert ALONE.anywhere(True, False) == (True, False)
    assert ALONE.shared(arrays) is arrays
    ALONE.refuse_other("the settings", {"seed": 0})


@pytest.mark.parametrize(
    ("trainings", "clients", "devices", "processes", "parts"),
    [(8, 5, 1, 4, 4), (2, 2, 1, 4, 2), (1, 4, 1, 4, 1), (1, 5, 1, 4, None), (2, 4, 2, 2, 2), (6, 4, 1, 4, 2)],
)
def test_processes_share_trainings_first_and_then_clients(
    trainings: int, clients: int, devices: int, processes: int, parts: int | None
):
    assert num_parts(trainings, clients, devices, processes) == parts
    size = padded(trainings, clients, devices, processes)
    assert num_parts(size, clients, devices, processes) is not None
    assert size == trainings or parts is None
    rows = [part_of(Processes(processes, index), size, clients, devices).rows for index in range(processes)]
    assert sorted({row for own in rows for row in range(size)[own]}) == list(range(size))


def test_a_number_of_processes_that_does_not_fit_is_one_sentence():
    with pytest.raises(ValueError, match="1 trainings at a time with 5 clients do not divide evenly over 4 processes"):
        part_of(Processes(4, 0), 1, 5, 1)


@pytest.mark.parametrize("sizes", [[1.0], [30.0, 10.0], [5.0, 0.0, 2.0], [3.0, 1.0, 2.0, 9.0]])
def test_the_matrices_of_the_paper_are_factored(sizes: list[float]):
    weights = jnp.array(sizes)
    for matrix in (isolation(weights), averaging(weights), personalised(weights, 0.9)):
        assert is_factored(factored(matrix))
        np.testing.assert_allclose(dense(factored(matrix)), matrix, atol=1e-6)
    of_groups = jnp.stack([averaging(weights), isolation(weights)])
    np.testing.assert_allclose(dense(factored(of_groups)), of_groups, atol=1e-6)


def test_other_matrices_stay_as_they_are():
    ring = (jnp.eye(5) + jnp.roll(jnp.eye(5), 1, axis=1)) / 2
    assert factored(ring) is ring
    assert factored(None) is None
