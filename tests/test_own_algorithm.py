"""``--algorithms``: by name, or a function of the user's own that returns a Strategy; one sentence if it is none."""

import doctest
import sys
from dataclasses import fields, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.inputs.algorithm_numbers import AlgorithmNumbers
from experiments.inputs.algorithms import ALGORITHM_SETTINGS, TITLES, algorithm, depends_on, models, title
from experiments.inputs.checks import check_fed
from experiments.inputs.settings import FedSettings
from fedpsyau_jax import federated

ROOT = Path(__file__).parents[1]
SIZES = jnp.array([3.0, 1.0, 2.0])
SETTINGS = FedSettings(clients=3, mu=(0.1, 0.2, 0.3), self_weight=0.5)
MODULE = """
import jax.numpy as jnp
import numpy as np
from fedpsyau_jax.federated import Strategy, fedprox

GROUP = jnp.array([0, 0, 1])

def clustered(weights, settings):
    same = (GROUP[:, None] == GROUP) * weights
    return Strategy(same / same.sum(axis=1, keepdims=True), jnp.full(len(weights), settings.mu[0]))

def with_lists(weights, settings):
    return Strategy([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 1], True)

number = 3
taking_nothing = lambda: None
failing = lambda weights, settings: weights.missing
nothing = lambda weights, settings: None
pair = lambda weights, settings: (np.eye(3), np.zeros(3))
two_clients = lambda weights, settings: Strategy(np.eye(2), np.zeros(2))
one_mu = lambda weights, settings: Strategy(np.eye(3), 0.0)
unnormalised = lambda weights, settings: Strategy(np.eye(3) * weights, np.zeros(3))
undefined = lambda weights, settings: Strategy(np.full((3, 3), np.nan), np.zeros(3))
negative = lambda weights, settings: Strategy(np.eye(3), np.array([0.0, -1.0, 0.0]))
words = lambda weights, settings: Strategy("identity", np.zeros(3))
anchored = lambda weights, settings: Strategy(np.eye(3), np.zeros(3), np.ones(3, bool))
two_groups = lambda weights, settings: Strategy(np.ones((2, 3, 3)) / 3, np.zeros(3))
unnormalised_group = lambda weights, settings: Strategy(np.stack([np.eye(3)] * 3 + [np.ones((3, 3))]), np.zeros(3))
far_anchor = lambda weights, settings: Strategy(np.eye(3), np.zeros(3), anchor=np.ones((3, 3)))
no_rule = lambda weights, settings: Strategy(np.eye(3), np.zeros(3), rule=3)
failing_rule = lambda weights, settings: Strategy(np.eye(3), np.zeros(3), rule=lambda mixing, key: mixing)
third_model = lambda weights, settings: Strategy(np.eye(3), np.zeros(3), tested=2)
"""


@pytest.fixture(autouse=True)
def _own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_algorithms.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_algorithms", raising=False)


def same(one: federated.Strategy, other: federated.Strategy) -> bool:
    return all(map(np.array_equal, one[:2], other[:2])) and one.anchored_at_start == other.anchored_at_start


def test_names_are_the_algorithms_of_the_package() -> None:
    mu = jnp.array(SETTINGS.mu)
    assert same(algorithm("local")(SIZES, SETTINGS), federated.local_only(SIZES))
    assert same(algorithm("fedavg")(SIZES, SETTINGS), federated.fedavg(SIZES))
    assert same(algorithm("fedprox")(SIZES, SETTINGS), federated.fedprox(SIZES, mu))
    assert same(algorithm("p-fedprox")(SIZES, SETTINGS), federated.p_fedprox(SIZES, mu, 0.5))
    assert same(algorithm("centralised")(SIZES[:1], SETTINGS), federated.local_only(SIZES[:1]))


def test_one_mu_is_for_all_clients_and_the_released_term_is_anchored_at_the_start() -> None:
    settings = FedSettings(clients=3, mu=(0.1,), proximal="released")
    assert algorithm("fedprox")(SIZES, settings).mu.tolist() == pytest.approx([0.1] * 3)
    assert algorithm("fedprox")(SIZES, settings).anchored_at_start is None
    assert bool(algorithm("p-fedprox")(SIZES, settings).anchored_at_start)


def test_a_function_of_ones_own_makes_a_strategy() -> None:
    strategy = algorithm("own_algorithms:clustered")(SIZES, SETTINGS)
    np.testing.assert_allclose(strategy.mixing, [[0.75, 0.25, 0], [0.75, 0.25, 0], [0, 0, 1]])
    assert strategy.mu.tolist() == pytest.approx([0.1] * 3)
    listed = algorithm("own_algorithms:with_lists")(SIZES, SETTINGS)
    assert listed.mixing.dtype == listed.mu.dtype == SIZES.dtype
    assert bool(listed.anchored_at_start)
    assert federated.stacked([strategy, listed, algorithm("fedavg")(SIZES, SETTINGS)]).mixing.shape == (3, 3, 3)


@pytest.mark.parametrize(("page", "name"), [("README.md", "clustered"), ("docs/extending.md", "line")])
def test_the_functions_of_the_documentation_are_rows_of_the_table(
    page: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = doctest.DocTestParser().get_examples((ROOT / page).read_text())
    (source,) = [example.source for example in examples if example.source.startswith(f"def {name}(")]
    imports = "import jax.numpy as jnp\nfrom fedpsyau_jax.federated import Strategy\n"
    (tmp_path / "mine.py").write_text(imports + source)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    settings = FedSettings(clients=3, algorithms=("fedavg", f"mine:{name}"))
    check_fed(settings)
    strategy = algorithm(f"mine:{name}")(SIZES, settings)
    assert not np.array_equal(strategy.mixing, federated.fedavg(SIZES).mixing)


def test_titles_and_what_algorithms_depend_on() -> None:
    assert [title(name) for name in TITLES][:5] == ["Local only", "FedAvg", "FedProx", "P-FedProx", "Centralised"]
    assert [title("ditto", model) for model in models("ditto")] == ["Ditto (personal)", "Ditto (global)"]
    assert title("own_algorithms:clustered") == "own_algorithms:clustered"
    assert depends_on("fedavg") == ()
    assert depends_on("fedprox") == ("mu",)
    assert depends_on("p-fedprox") == ("mu", "self_weight")
    assert depends_on("own_algorithms:clustered") == ALGORITHM_SETTINGS
    assert {field.name for field in fields(AlgorithmNumbers)} == set(ALGORITHM_SETTINGS) - {"mu", "self_weight"}


def test_published_algorithms_take_their_numbers_from_the_settings() -> None:
    """Every name has a function, every number changes the strategy, and each with two models can test either.

    An alpha of APFL that adapts is a program of its own.
    """
    adapting = replace(SETTINGS, numbers=replace(SETTINGS.numbers, apfl_adaptation=0.1))
    for name in TITLES:
        sizes = SIZES[:1] if name == "centralised" else SIZES
        built = [algorithm(name, model)(sizes, adapting) for model in models(name)]
        assert [strategy.tested is None for strategy in built] == [len(built) == 1] * len(built)
        for number in set(depends_on(name)) - {"mu", "self_weight"}:
            old = getattr(adapting.numbers, number)
            other = replace(adapting.numbers, **{number: old + 1 if isinstance(old, int) else old / 2})
            changed = algorithm(name, models(name)[0])(sizes, replace(SETTINGS, numbers=other))
            assert federated.structure(changed) == federated.structure(built[0])
            assert not all(map(np.array_equal, *map(jax.tree.leaves, (changed, built[0])))), (name, number)


def test_participation_and_statistics_are_for_every_algorithm() -> None:
    settings = replace(SETTINGS, participation=0.5, statistics="averaged")
    averaged = algorithm("fedavg")(SIZES, settings)
    np.testing.assert_array_equal(averaged.statistics, averaged.mixing)
    np.testing.assert_array_equal(algorithm("fedbn")(SIZES, settings).statistics, np.eye(3))
    np.testing.assert_array_equal(algorithm("moon")(SIZES, settings).statistics, averaged.mixing)
    assert all(algorithm(name)(SIZES, settings).sampling is not None for name in ("local", "ditto", "fedadam"))
    assert algorithm("own_algorithms:clustered")(SIZES, settings).sampling is not None


WRONG_NAMES = {
    "fedagv": r"--algorithms=fedagv: did you mean fedavg\? there are local, fedavg, .*and your own as module:function",
    "own_algorithm:clustered": r"there is no module 'own_algorithm'; run in the folder that holds it, or install it",
    "own_algorithms:clusterd": r"did you mean clustered\? module own_algorithms has no 'clusterd'",
    "own_algorithms:number": r"number is not a function of \(weights, settings\)",
}


@pytest.mark.parametrize(("name", "said"), WRONG_NAMES.items(), ids=WRONG_NAMES)
def test_a_wrong_name_is_refused_before_anything_is_loaded(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_fed(FedSettings(algorithms=("fedavg", name)))


WRONG_FUNCTIONS = {
    "taking_nothing": r"the function failed \(TypeError: .*takes 0 positional arguments",
    "failing": r"the function failed \(AttributeError",
    "nothing": r"the function returned NoneType, not a Strategy",
    "pair": r"the function returned tuple, not a Strategy",
    "two_clients": r"its mixing has shape \(2, 2\); give \(3, 3\), a row for each client",
    "one_mu": r"its mu has shape \(\); give \(3,\), a number for each client",
    "unnormalised": r"its mixing sums to 3 in row 0; divide each row by its sum",
    "undefined": r"its mixing holds a missing or infinite number",
    "negative": r"its mu is -1 for client 1; give numbers of at least 0",
    "words": r"its mixing holds something other than numbers",
    "two_groups": r"its mixing has shape \(2, 3, 3\); .* or \(4, 3, 3\) with a matrix for each of body, norm, ",
    "unnormalised_group": r"its mixing sums to 3 in row 0 of backbone; divide each row by its sum",
    "far_anchor": r"its anchor sums to 3 in row 0",
    "no_rule": r"its rule is 3; give a function",
    "failing_rule": r"its functions fail on a toy problem \(TypeError: ",
    "third_model": r"its tested is 2; give 0 for the global model, 1 for the personal one, or None",
    "anchored": r"its anchored_at_start is \[ True  True  True\]; give True, False or None",
}


@pytest.mark.parametrize(("name", "said"), WRONG_FUNCTIONS.items(), ids=WRONG_FUNCTIONS)
def test_what_is_no_strategy_is_told_in_one_sentence(name: str, said: str) -> None:
    function = algorithm(f"own_algorithms:{name}")
    with pytest.raises(ValueError, match=rf"^--algorithms=own_algorithms:{name}: {said}") as caught:
        function(SIZES, SETTINGS)
    assert "\n" not in str(caught.value)
