"""A problem that can be learnt, in the shapes of the real thing, and the sizes that are measured."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fedpsyau_jax.models.fedpsyau import Detected
from fedpsyau_jax.types import Examples

NUM_CLASSES = 7
NUM_AUS = 12


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
      clients: Clients of a federation.
      examples: Training examples of a client.
      test: Test examples of a client.
      batch: Most examples in a batch.
      rows: Rows of a table that train at once.
      repeats: Repeats that train at once.
      many_clients: Clients that train at once.
      folds: Folds that train at once, the last number being all of them.
      fold_examples: Training examples of a fold.
      paper_examples: Training examples of a client of the largest database of the paper.
      paper_repeats: Repeats of the paper.
      matrix: Rows and columns of the matrices whose product is timed.
      copied: Numbers (float32) of the array whose copy is timed.
      shapes: Shapes of convolutions that are compared, the costliest first.
      pairs: Pairs of pictures whose flow is measured at once.
      face: Side of these pictures, pixels.
      scored: Rounds after which precisions are compared by their scores.
      turns: Times that each alternative is timed.
    """

    clients: int = 5
    examples: int = 100
    test: int = 32
    batch: int = 32
    rows: tuple[int, ...] = (1, 4, 16)
    repeats: tuple[int, ...] = (1, 10)
    many_clients: tuple[int, ...] = (5, 20, 50)
    folds: tuple[int, ...] = (1, 8, 88)
    fold_examples: int = 650
    paper_examples: int = 1000
    paper_repeats: int = 10
    matrix: int = 8192
    copied: int = 2**29
    shapes: int = 6
    pairs: tuple[int, ...] = (1, 64, 512)
    face: int = 128
    scored: int = 60
    turns: int = 7


SIZES = {
    "full": Sizes(),
    "small": Sizes(
        clients=2,
        examples=8,
        test=4,
        batch=4,
        rows=(1, 2),
        repeats=(1, 2),
        many_clients=(2, 3),
        folds=(1, 2),
        fold_examples=9,
        paper_examples=12,
        paper_repeats=2,
        matrix=256,
        copied=2**20,
        shapes=1,
        pairs=(2,),
        face=24,
        scored=4,
        turns=2,
    ),
}


class Problem(NamedTuple):
    """Examples of both networks: what the whole one sees, and what the classifier over a frozen AU detector sees."""

    whole: Examples
    frozen: Detected


def problem(count: int) -> Problem:
    """Examples of classes that each have a pattern of their own, under noise.

    Args:
      count: How many; the first ones are the same whatever the count.
    """
    draw = np.random.default_rng(0)
    flow, features = draw.normal(size=(NUM_CLASSES, 28, 28, 3)), draw.normal(size=(NUM_CLASSES, NUM_AUS, 25))
    patches, au = draw.normal(size=(NUM_CLASSES, 65, 5, 5, 3)), draw.random((NUM_CLASSES, NUM_AUS)) < 0.4
    emotion: Any = np.random.default_rng(1).integers(0, NUM_CLASSES, count).astype(np.int32)

    def seen(pattern: np.ndarray, seed: int, strength: float) -> Any:
        noise = np.random.default_rng(seed).normal(size=(count, *pattern.shape[1:]))
        return np.clip(0.5 + 0.2 * (strength * pattern[emotion] + noise), 0, 1).astype(np.float32)

    wrong = np.random.default_rng(2).random((count, NUM_AUS)) < 0.1
    labels: Any = (au[emotion] ^ wrong).astype(np.float32)
    shown = seen(flow, 3, 0.2)
    whole = Examples(shown, seen(patches, 4, 0.2), labels, np.ones_like(labels), emotion)
    return Problem(whole, Detected(shown, seen(features, 5, 0.4), emotion))
