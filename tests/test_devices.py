"""How an accelerator multiplies; a CPU is left as it is."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import pytest

from experiments.inputs.settings import Precision
from experiments.run.devices import PRECISIONS, use_precision


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    yield
    jax.config.update("jax_default_matmul_precision", before)


def product() -> str:
    """The program of a product, lowered for an NVIDIA GPU."""
    traced = jax.jit(lambda a: a @ a).trace(jnp.ones((4, 4)))
    return traced.lower(lowering_platforms=("cuda",)).as_text()


@pytest.mark.parametrize(
    ("name", "written"), [("float32", "HIGHEST"), ("tf32", "HIGH,"), ("bf16", "lhs_precision_type = bf16")]
)
def test_programs_of_an_accelerator_round_as_asked(monkeypatch: pytest.MonkeyPatch, name: str, written: str) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    use_precision(name)
    assert written in product()


def test_a_cpu_is_left_as_it_is() -> None:
    before = product()
    use_precision("float32")
    assert product() == before


def test_each_name_of_the_option_is_known() -> None:
    assert PRECISIONS.keys() == set(Precision.__args__)  # type: ignore[attr-defined]
