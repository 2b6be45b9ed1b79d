"""What a value of ``--prior`` means: a named prior, one of the user's own, or one sentence why it is none."""

import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.inputs.priors import NAMED, cooccurrence, prior_named
from fedpsyau_jax.priors import AnnotationTable, Prior, Priors, published
from fedpsyau_jax.priors.cooccurrence import row_stochastic


@pytest.fixture
def annotations() -> AnnotationTable:
    aus = (np.random.default_rng(0).random((50, 12)) < 0.3).astype(float)
    return AnnotationTable(aus, np.ones_like(aus), np.zeros(50, int), np.repeat(list("abcde"), 10))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *(name for name in NAMED if name != "shuffled"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("shuffled", "shuffled:3")),
    ],
)
def test_named_priors_fit_the_network(name: str, annotations: AnnotationTable) -> None:
    priors = prior_named(name)(annotations)
    for prior, size in zip(priors, (6, 6, 12), strict=True):
        assert np.shape(prior.topology) == np.shape(prior.statistics) == (size, size)
        np.testing.assert_allclose(np.sum(prior.statistics, axis=1), 1, atol=1e-6)


@pytest.mark.slow
def test_named_priors_are_what_they_say(annotations: AnnotationTable) -> None:
    ours = cooccurrence(annotations)
    upper = annotations.aus[:, :6]
    np.testing.assert_allclose(ours.upper.statistics, row_stochastic(upper.T @ upper), atol=1e-6)
    assert np.array_equal(ours.global_.topology, published().global_.topology)
    assert np.all(prior_named("none")(annotations).global_.topology)
    one, other = (prior_named(f"shuffled:{seed}")(annotations).global_.topology for seed in (1, 2))
    assert not np.array_equal(one, other)


MODULE = """
import numpy as np
from fedpsyau_jax.priors import Prior, from_annotations, published

def mine(table):
    return from_annotations(table.aus, table.mask, table.subject)

fixed = published()
number = 3
unnormalised = lambda table: Prior(np.ones((12, 12), bool), np.ones((12, 12)))
small = lambda table: Prior(np.ones((6, 6), bool), np.eye(6))
whole_numbers = lambda table: Prior(np.ones((12, 12)), np.eye(12))
negative = lambda table: Prior(np.ones((12, 12), bool), np.eye(12) * 2 - 1 / 12)
nothing = lambda table: None
failing = lambda table: table.missing
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_priors.py").write_text(MODULE)
    (tmp_path / "broken_priors.py").write_text("import no_such_dependency\n")
    (tmp_path / "wrong_priors.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("own_priors", "broken_priors", "wrong_priors"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.slow
@pytest.mark.usefixtures("own_module")
def test_a_prior_of_ones_own(annotations: AnnotationTable) -> None:
    made = prior_named("own_priors:mine")(annotations)
    assert isinstance(made, Priors)
    assert made.lower.topology.all()
    assert prior_named("own_priors:fixed")(annotations).upper.topology.shape == (6, 6)
    assert isinstance(made.upper, Prior)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("publshed", "did you mean published? there are published, co-occurrence"),
        ("no_module:mine", "there is no module 'no_module'"),
        ("own_priors:min", "did you mean mine? module own_priors has no 'min'"),
        ("own_priors:", "has no 'name'"),
        ("own_priors:number", "neither a function"),
        ("own_priors:unnormalised", "sum to 12 in row 0"),
        ("own_priors:small", r"have shape (6, 6); give (12, 12)"),
        ("own_priors:whole_numbers", "topology holds float64"),
        ("own_priors:negative", "negative or missing"),
        ("own_priors:nothing", "returned NoneType"),
        ("own_priors:failing", "the function failed (AttributeError"),
        ("broken_priors:mine", "cannot be imported (No module named 'no_such_dependency')"),
        ("wrong_priors:mine", "cannot be imported (ZeroDivisionError"),
    ],
)
@pytest.mark.usefixtures("own_module")
def test_wrong_priors_are_told_in_one_sentence(text: str, message: str, annotations: AnnotationTable) -> None:
    with pytest.raises(ValueError, match="--prior=") as caught:
        prior_named(text)(annotations)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
