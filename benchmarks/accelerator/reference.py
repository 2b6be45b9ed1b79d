"""Results of a small federation, stored: what a CPU computes in float32 and in float64."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.accelerator.problem import NUM_CLASSES, SIZES
from benchmarks.accelerator.rounds import Case, tested_labels
from benchmarks.accelerator.workbench import Program, Record, Workbench
from fedpsyau_jax.metrics import confusion_counts, uf1

STORED = Path(__file__).parents[1] / "accelerator_reference.npz"
ROUNDS = 3
"""Rounds after which numbers are compared: later ones differ by rounding that training has made larger."""
SCORED = 12
"""Rounds after which the score is taken."""
SAMPLED = 1024

Results = dict[str, np.ndarray]


def named(case: Case, precision: str | None = None) -> str:
    """What the results of a case, or of the same in another precision, are stored under."""
    return f"{case.trained}, {case.clients} x {case.examples}, {precision or case.precision}"


def _cases() -> Iterator[Case]:
    """The cases whose results are stored."""
    for sizes in SIZES.values():
        for trained, precision in itertools.product(("frozen", "end to end"), ("float32", "float64")):
            yield Workbench(sizes, 0).case(trained=trained, precision=precision)


def results(program: Program, scored: int = SCORED) -> Results:
    """What the first rounds give: losses, test logits and weights after `ROUNDS`, the score at the end."""
    program.restart()
    losses = []
    for number in range(1, scored + 1):
        metrics = jax.device_get(program.round())
        losses.append(metrics["batch_loss"])
        if number == ROUNDS:
            logits, clients = metrics["evaluation"], jax.device_get(program.state.clients.params)
    found = {"losses": np.stack(losses[:ROUNDS]), "logits": logits}
    found |= {f"weights {n}": _sample(leaf) for n, leaf in enumerate(jax.tree.leaves(clients))}
    return found | {"score": np.asarray(score(program.case, metrics["evaluation"]))}


def score(case: Case, logits: np.ndarray) -> float:
    """UF1 of all clients' test examples together, the mean over rows and repeats."""
    labels, predicted = tested_labels(case), logits.argmax(-1)
    found = [
        uf1(confusion_counts(labels[repeat].ravel(), predicted[row, repeat].ravel(), NUM_CLASSES))
        for row in range(case.rows)
        for repeat in range(case.repeats)
    ]
    return float(np.mean(found))


def differences(found: Results, expected: Results, name: str) -> Record:
    """The largest difference of each kind of result, absolute; of weights relative to the norm of those expected."""
    ours, theirs = (
        np.concatenate([values for kind, values in each.items() if kind.startswith("weights")], dtype=np.float64)
        for each in (found, expected)
    )
    apart = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
    largest = {f"{kind} difference": float(np.abs(found[kind] - expected[kind]).max()) for kind in ("losses", "logits")}
    scores = {"UF1": float(found["score"]), f"UF1 of {name}": float(expected["score"])}
    return largest | {"weights difference": float(apart)} | scores


def stored() -> dict[str, Results]:
    """Results by the names of their cases."""
    found: dict[str, Results] = {}
    with np.load(STORED) as arrays:
        for name, values in arrays.items():
            case, _, kind = name.partition(": ")
            found.setdefault(case, {})[kind] = values
    return found


def write() -> None:
    """Compute the results here and store them."""
    arrays: dict[str, Any] = {
        f"{named(case)}: {kind}": values
        for case in _cases()
        for kind, values in results(Workbench(SIZES["full"], 0).program(case)).items()
    }
    np.savez_compressed(STORED, **arrays)


def _sample(weights: np.ndarray) -> np.ndarray:
    """Some of the weights of all clients, evenly spread."""
    flat = weights.ravel()
    return flat[np.linspace(0, flat.size - 1, min(SAMPLED, flat.size)).astype(int)]
