import jax
import jax.numpy as jnp
import pytest

from experiments.training import compiler
from experiments.training.compiler import long_run_options, run_once_options, short_run_options


@pytest.mark.parametrize("effort", [run_once_options, short_run_options, long_run_options])
def test_programs_compile_with_every_effort(effort) -> None:  # type: ignore[no-untyped-def]
    compiled = jax.jit(jnp.sin).lower(1.0).compile(effort())
    assert compiled(0.0) == 0
    assert "xla_backend_optimization_level" in effort()


def test_an_option_that_the_compiler_does_not_know_is_left_out() -> None:
    options = {"xla_backend_optimization_level": "1", "xla_cpu_an_option_of_another_version": True}
    assert compiler._on_cpu(options) == {"xla_backend_optimization_level": "1"}


def test_a_value_that_the_compiler_refuses_is_an_error() -> None:
    with pytest.raises(jax.errors.JaxRuntimeError):
        compiler._on_cpu({"xla_backend_optimization_level": "much"})
