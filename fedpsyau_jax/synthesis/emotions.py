"""AUs of each emotion, and the best possible scores from the AUs alone.

Source: annotations of DFME (2,629 clips), as class counts and P(AU | emotion).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
CLIPS_PER_EMOTION = (241, 171, 735, 365, 311, 359, 447)
AU_GIVEN_EMOTION = np.array([
    (0.03, 0.02, 0.70, 0.08, 0.04, 0.24, 0.02, 0.05, 0.00, 0.04, 0.00, 0.05),
    (0.05, 0.06, 0.05, 0.04, 0.16, 0.08, 0.00, 0.09, 0.65, 0.05, 0.02, 0.01),
    (0.02, 0.01, 0.74, 0.04, 0.05, 0.40, 0.02, 0.12, 0.01, 0.05, 0.02, 0.03),
    (0.12, 0.04, 0.51, 0.17, 0.02, 0.31, 0.01, 0.04, 0.04, 0.05, 0.01, 0.07),
    (0.04, 0.02, 0.02, 0.03, 0.49, 0.03, 0.00, 0.06, 0.79, 0.01, 0.01, 0.04),
    (0.06, 0.03, 0.39, 0.06, 0.02, 0.15, 0.01, 0.01, 0.03, 0.23, 0.06, 0.12),
    (0.75, 0.77, 0.06, 0.67, 0.00, 0.05, 0.00, 0.01, 0.01, 0.01, 0.00, 0.03),
])  # fmt: skip
NUM_AUS_SHARES = (0.48, 0.35, 0.17)


def emotion_shares() -> Float[np.ndarray, "classes"]:
    """Share of each emotion in DFME."""
    counts = np.array(CLIPS_PER_EMOTION, float)
    return counts / counts.sum()


@cache
def au_rates() -> Float[np.ndarray, "classes aus"]:
    """Rates q of independent AUs that, given at least one AU, occur with the probabilities p of the table.

    Solves q = p (1 - prod(1 - q)) per emotion; iterating from q = p falls to the larger root (sum p > 1).
    """
    rates = AU_GIVEN_EMOTION.copy()
    for _ in range(500):
        rates = AU_GIVEN_EMOTION * (1 - np.prod(1 - rates, axis=1, keepdims=True))
    return rates


def draw_emotion(generator: np.random.Generator, shares: Float[np.ndarray, "classes"] | None = None) -> int:
    """Draw a class index with these shares; by default with those of DFME."""
    return int(generator.choice(len(EMOTIONS), p=emotion_shares() if shares is None else shares))


def draw_aus(emotion: int, generator: np.random.Generator) -> Bool[np.ndarray, "aus"]:
    """Draw a non-empty AU set of an emotion."""
    rates = au_rates()[emotion]
    while True:
        present = generator.random(rates.shape) < rates
        if present.any():
            return present


def draw_any_aus(generator: np.random.Generator, num_aus: int = AU_GIVEN_EMOTION.shape[1]) -> Bool[np.ndarray, "aus"]:
    """Draw one to three AUs with equal probabilities."""
    count = 1 + generator.choice(len(NUM_AUS_SHARES), p=NUM_AUS_SHARES)
    return np.isin(np.arange(num_aus), generator.choice(num_aus, count, replace=False))


class ExpectedScores(NamedTuple):
    """Expected scores of a rule that knows the AU set."""

    accuracy: float
    uf1: float
    uar: float


def au_sets() -> Int[np.ndarray, "sets aus"]:
    """All non-empty AU sets, as rows of 0 and 1."""
    num_aus = AU_GIVEN_EMOTION.shape[1]
    return (np.arange(1, 2**num_aus)[:, None] >> np.arange(num_aus)) & 1


def bayes_rule(class_weights: Float[np.ndarray, "classes"] | None = None) -> ExpectedScores:
    """Exact scores of the Bayes rule argmax_e w_e P(e) P(AU set | e), with the true generative model.

    Args:
        class_weights: 1 for each class by default, which maximises accuracy; 1 / P(e) maximises UAR.

    Returns:
        Expected scores under the generative model, computed without sampling.
    """
    rates, shares, sets = au_rates(), emotion_shares(), au_sets()
    log_likelihood = sets @ np.log(np.maximum(rates, 1e-300)).T + (1 - sets) @ np.log1p(-rates).T
    likelihood = np.exp(log_likelihood) / (1 - np.prod(1 - rates, axis=1))
    joint = shares * likelihood
    decision = np.argmax(joint * (1 if class_weights is None else class_weights), axis=1)
    confusion = np.stack([joint[decision == e].sum(0) for e in range(len(shares))], axis=1)
    hits, true, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    return ExpectedScores(float(hits.sum()), float(np.mean(2 * hits / (true + predicted))), float(np.mean(hits / true)))
