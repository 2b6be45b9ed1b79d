"""Two accountants of others agree, their noise gives what was asked for, and a missing one is a sentence."""

from math import inf

import pytest

from fedpsyau_jax.federated.private import accountant
from fedpsyau_jax.federated.private.accountant import epsilon, noise_for, require

DELTA = 1e-5
pytest.importorskip("dp_accounting", reason="the extra privacy is not installed")


@pytest.mark.parametrize(("noise", "expected"), [(1.0, 46.2), (2.0, 17.9), (4.0, 7.51), (8.0, 3.34)])
def test_forty_rounds_of_whole_clients(noise: float, expected: float) -> None:
    """The numbers of the privacy part of the project's specification."""
    assert epsilon(noise, 1.0, 40, DELTA) == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize(
    ("noise", "sampling", "steps"), [(1.0, 1.0, 40), (5.5, 0.25, 32), (1.2, 0.25, 32), (2.0, 0.1, 400)]
)
def test_two_accountants_agree(noise: float, sampling: float, steps: int) -> None:
    """Renyi bounds are looser, never tighter, and by little."""
    tight, loose = (epsilon(noise, sampling, steps, DELTA, name) for name in ("PLD", "RDP"))
    assert 0.99 * tight <= loose <= 1.2 * tight


def test_sampling_hides() -> None:
    assert epsilon(2.0, 0.1, 32, DELTA) < epsilon(2.0, 0.5, 32, DELTA) < epsilon(2.0, 1.0, 32, DELTA)


@pytest.mark.parametrize("target", [1.0, 8.0, 100.0])
def test_one_number_determines_the_other(target: float) -> None:
    found = noise_for(target, 0.25, 32, DELTA)
    assert epsilon(found, 0.25, 32, DELTA) == pytest.approx(target, rel=1e-3)
    assert epsilon(found, 0.25, 32, DELTA) <= target * (1 + 1e-9)


def test_without_noise_there_is_no_epsilon() -> None:
    assert epsilon(0.0, 0.25, 32, DELTA) == inf
    assert noise_for(inf, 0.25, 32, DELTA) == 0


def test_too_small_an_epsilon_is_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"^no noise gives an epsilon of 1e-06 at delta 1e-05: it is too small$"):
        noise_for(1e-6, 1.0, 1000, DELTA)


def test_a_missing_extra_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accountant, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'fedpsyau-jax\[privacy\]'$"):
        require()
