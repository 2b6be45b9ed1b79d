"""Facts about MOON and FedProto, the transcriptions that look at representations."""

import numpy as np
import pytest

from tests.papers import reference_base as base
from tests.papers import reference_features as features
from tests.papers.closed_forms import TRAINING
from tests.papers.paper_problem import Round, cross_entropy, representations, slope

DEEP = representations()


@pytest.mark.parametrize("mu", [0.0, 2.0])
def test_moon_is_fedavg_without_contrast_and_in_the_first_round(mu: float) -> None:
    expected = base.fedavg(DEEP, 4, **TRAINING)
    history = features.moon(DEEP, 4, **TRAINING, mu=mu, temperature=0.5)
    np.testing.assert_allclose(history[0].received, expected[0].received, rtol=1e-12)
    assert np.allclose(history[-1].received, expected[-1].received) == (mu == 0)


def test_moon_leaves_its_own_last_model_behind() -> None:
    """One step from the received model: what mu adds is the slope of the contrast with the client's last model."""
    second, third = features.moon(DEEP, 3, eta=0.2, steps=1, mu=2.0, temperature=0.5)[1:]
    for k, examples in enumerate(DEEP.examples):
        received, previous = second.received[k], second.clients[k]

        def loss(w, k=k, x=examples.inputs, received=received, previous=previous):
            return DEEP.loss[k](w) + 2.0 * features.contrast(w, received, previous, x, 0.5)[0]

        np.testing.assert_allclose(third.clients[k], received - 0.2 * slope(loss, received), atol=1e-7)


def test_moon_and_fedproto_gradients_are_those_of_their_losses() -> None:
    rng = np.random.default_rng(3)
    w, other, previous = rng.normal(size=(3, 14))
    prototypes = dict(enumerate(rng.normal(size=(3, 2))))
    for examples in DEEP.examples:

        def contrast(w, x=examples.inputs):
            return features.contrast(w, other, previous, x, 0.5)

        terms = [contrast]
        for distance in ("norm", "squared", "examples"):
            terms.append(lambda w, e=examples, d=distance: features.pull(w, e, prototypes, d))
        for term in terms:
            by_hand = cross_entropy(w, examples, term(w)[1])[1] - cross_entropy(w, examples)[1]
            np.testing.assert_allclose(by_hand, slope(lambda w, term=term: term(w)[0], w), atol=1e-7)
            assert abs(by_hand).max() > 1e-3


def test_fedproto_is_local_without_pull_and_brings_prototypes_together() -> None:
    local = base.local(DEEP, 5, **TRAINING)
    for lam, rounds in ((0.0, 5), (5.0, 1)):
        history = features.fedproto(DEEP, rounds, **TRAINING, lam=lam)
        np.testing.assert_allclose(history[-1].clients, local[rounds - 1].clients, rtol=1e-12)

    def spread(history: list[Round]) -> float:
        last = history[-1]
        return sum(
            features.pull(w, e, dict(enumerate(last.memory["prototypes"])), "squared")[0]
            for w, e in zip(last.clients, DEEP.examples, strict=True)
        )

    free, pulled = (features.fedproto(DEEP, 12, **TRAINING, lam=lam, distance="squared") for lam in (0.0, 0.1))
    assert spread(pulled) < spread(free) / 2


def test_fedproto_prototypes_are_the_classes_means_over_all_examples() -> None:
    prototypes = features.fedproto(DEEP, 1, eta=0.2, steps=0, lam=1.0)[0].memory["prototypes"]
    x = np.concatenate([e.inputs for e in DEEP.examples]) @ DEEP.named(DEEP.start)["body"]
    y = np.concatenate([e.labels for e in DEEP.examples])
    np.testing.assert_allclose(prototypes, [x[y == j].mean(axis=0) for j in range(3)], rtol=1e-12)


def test_fedproto_does_not_pull_the_only_client_of_a_class_at_first() -> None:
    alone = DEEP._replace(sizes=DEEP.sizes[:1], examples=DEEP.examples[:1])
    history = features.fedproto(alone, 2, eta=0.2, steps=1, lam=1.0)
    np.testing.assert_allclose(history[1].clients, base.local(alone, 2, eta=0.2, steps=1)[1].clients, atol=1e-12)
