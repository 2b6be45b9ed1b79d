"""Numbers that make no sense are refused in one sentence, but not where they are traced."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from fedpsyau_jax import federated as fed
from fedpsyau_jax.federated import algorithms as alg
from fedpsyau_jax.federated.server import with_numbers

N = jnp.array([3.0, 1.0])
REFUSED: dict[str, Callable[[], Any]] = {
    r"FedDyn's alpha is 0\.0: it must be finite and above 0": lambda: alg.feddyn(N, 0.0),
    r"FedDyn's alpha is -1\.0": lambda: alg.feddyn(N, jnp.array([0.5, -1.0])),
    r"pFedMe's number of steps is 0: it must be finite and at least 1": lambda: alg.pfedme(N, 1.0, 0.1, 0),
    r"pFedMe's pull is 0\.0": lambda: alg.pfedme(N, 0.0, 0.1),
    r"FedALA's number of first passes is 0": lambda: alg.fedala(N, first_passes=0),
    r"FedALA's share of the batches is 0\.0": lambda: alg.fedala(N, data_share=0.0),
    r"clients that take part is 3.0: it must be above 0 and at most 1": lambda: fed.with_participation(
        fed.fedavg(N), N, 3.0
    ),
    r"clients that take part is 0": lambda: fed.with_participation(fed.fedavg(N), N, 0.0),
    r"fairness q is -0\.5": lambda: alg.q_fedavg(N, -0.5, 1.0),
    r"Lipschitz constant is 0": lambda: alg.q_fedavg(N, 0.5, 0.0),
    r"APFL's share is 7.0: it must be at least 0 and at most 1": lambda: alg.apfl(N, 7.0),
    r"rate of adaptation is -0\.1": lambda: alg.apfl(N, 0.5, -0.1),
    r"head_epochs is -1": lambda: alg.fedrep(N, -1),
    r"Ditto's pull is nan": lambda: alg.ditto(N, float("nan")),
    r"MOON's temperature is 0": lambda: alg.moon(N, 1.0, 0.0),
    r"FedProto's factor is -1": lambda: alg.fedproto(N, -1.0),
    r"Per-FedAvg's rate is -1": lambda: alg.per_fedavg(N, -1.0),
    r"the server's momentum is 2": lambda: alg.fedadam(N, 0.1, 2.0),
    r"the server's floor is 0": lambda: alg.fedyogi(N, 0.1, floor=0.0),
    r"the server's rate is inf": lambda: alg.fedavgm(N, float("inf"), 0.9),
    r"the factor mu is -1": lambda: fed.fedprox(N, -1.0),
    r"the self weight is 1\.5": lambda: fed.p_fedprox(N, 0.1, 1.5),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_number_that_makes_no_sense_is_refused(sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        REFUSED[sentence]()


def test_traced_numbers_pass() -> None:
    alphas = jax.vmap(lambda alpha: alg.feddyn(N, alpha))(jnp.array([0.0, 1.0]))
    assert alphas.mu.tolist() == [[0.0, 0.0], [1.0, 1.0]]
    share = jax.jit(lambda share: alg.apfl(N, share, share))(2.0).client.args[0]
    assert share == 2.0


def test_a_new_momentum_keeps_what_an_adaptive_server_takes_of_a_change() -> None:
    numbers = [with_numbers(alg.fedyogi(N, 0.1), momentum=0.25), with_numbers(alg.fedavgm(N, 1.0, 0.9), momentum=0.25)]
    assert [one.outer.args[0].new.item() for one in numbers] == [0.75, 1.0]
    assert with_numbers(alg.fedadam(N, 0.1), momentum=0.25, new=1.0).outer.args[0].new == 1.0
