"""Every training program lowers for CUDA on a machine that has none, its axes mapped as an accelerator maps them.

Lowering is before compiling, so options for the CPU's compiler play no part in it (tests/test_compiling.py).
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.random_trainings import groups_of, random_dataset, random_store
from experiments.inputs.privacy import PrivacySettings
from experiments.inputs.settings import FedSettings, MerSettings, PretrainSettings, RunSettings
from experiments.training import program
from experiments.training.plan import Group, arrays
from experiments.training.shapes import task_of
from experiments.training.store import rows_of
from fedpsyau_jax.federated import vectorised
from fedpsyau_jax.splits import Split, leave_one_subject_out, split_clients, with_validation
from fedpsyau_jax.vision.tvl1 import tvl1_flow

DATA = random_dataset(24, 3, 8)
CLIENTS = [Split("all", tuple(split_clients(DATA.subject, 2, 0.7, np.random.default_rng(0))))]
FOLDS = leave_one_subject_out(DATA.subject)[:2]
VALIDATED = [
    with_validation(fold, DATA.subject, np.asarray(DATA.examples.emotion), 0.3, np.random.default_rng(0))
    for fold in FOLDS
]
FED = FedSettings(clients=2, batch=4, rounds=2, local_epochs=1, repeats=1, algorithms=("fedavg", "p-fedprox"))
MER = MerSettings(batch=4, epochs=2)
PROGRAMS: dict[str, tuple[RunSettings, list[Split]]] = {
    "fed": (replace(FED, participation=0.5, statistics="averaged"), CLIENTS),
    "fed, other algorithms": (replace(FED, algorithms=("scaffold", "ditto")), CLIENTS),
    "fed --train-au": (replace(FED, train_au=True), CLIENTS),
    "fed --dp=subject": (replace(FED, dp="subject", privacy=PrivacySettings(noise=1.0)), CLIENTS),
    "mer --select": (replace(MER, validation_share=0.3, select=True), VALIDATED),
    "mer --au=scratch": (replace(MER, au="scratch"), FOLDS),
    "pretrain": (PretrainSettings(), FOLDS[:1]),
}


def for_cuda(function: Any, *inputs: Any) -> str:
    """As StableHLO."""
    return jax.jit(function).trace(*inputs).lower(lowering_platforms=("cuda",)).as_text()


def lowered(group: Group) -> dict[str, str]:
    """The initial state, a round and the test of two trainings."""
    rows = rows_of(DATA.examples)
    store = random_store(group, rows)
    task = task_of(group, len(DATA.class_names), store)
    own = arrays(group, range(min(2, group.num_trained)), 2, rows.shown, 0)
    init = partial(program._initial_states, group.recipe, task)
    state = jax.eval_shape(init, store, own)
    step = partial(program._round_of_all, group.recipe, task, vectorised, vectorised)
    test = partial(program._tested, group.recipe, task)
    return {
        "init": for_cuda(init, store, own),
        "round": for_cuda(step, state, store, own),
        "test": for_cuda(test, state, store, own),
    }


@pytest.mark.slow
@pytest.mark.parametrize("command", PROGRAMS)
def test_the_programs_of_a_command_lower_for_cuda(command: str) -> None:
    settings, splits = PROGRAMS[command]
    for group in groups_of(settings, [splits], DATA):  # type: ignore[arg-type]
        texts = lowered(group)
        assert "stablehlo.dot_general" in texts["round"]
        for text in texts.values():
            assert not {"stablehlo.convolution", "stablehlo.custom_call"} & set(text.split())


@pytest.mark.slow
def test_optical_flow_lowers_for_cuda() -> None:
    pictures = jax.ShapeDtypeStruct((2, 32, 32), jnp.float32)
    assert "stablehlo.while" in for_cuda(jax.vmap(tvl1_flow), pictures, pictures)


def on_a_cpu_only(x: jax.Array) -> jax.Array:
    return jax.scipy.linalg.schur(x)[0]


def on_the_host(x: jax.Array) -> jax.Array:
    return jax.pure_callback(np.asarray, x, x, vmap_method="expand_dims")


def on_some_machines(x: jax.Array) -> jax.Array:
    return jax.lax.platform_dependent(x, cpu=jnp.sin)


@pytest.mark.parametrize("planted", [on_a_cpu_only, on_the_host, on_some_machines])
def test_what_needs_a_cpu_is_found(planted: Any) -> None:
    """Also inside a loop and a vectorised axis, where the programs have their operations."""
    given = jnp.ones((2, 3, 3))
    jax.jit(jax.vmap(planted)).lower(given)
    with pytest.raises((NotImplementedError, ValueError), match="cuda"):
        for_cuda(lambda x: jax.lax.fori_loop(0, 2, lambda _, one: jax.vmap(planted)(one), x), given)


def test_options_of_the_compiler_play_no_part() -> None:
    with_options = jax.jit(jnp.sin, compiler_options={"xla_cpu_use_fusion_emitters": False})
    assert "stablehlo.sine" in with_options.trace(1.0).lower(lowering_platforms=("cuda",)).as_text()
