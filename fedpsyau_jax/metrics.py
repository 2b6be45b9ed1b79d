"""Recognition scores, computed from counts.

Counts (a confusion matrix, or true and false detections) can be added over batches, clients and folds; scores cannot.
So add counts first and compute scores last. Each function accepts NumPy or JAX arrays, traced ones included, and
returns the same kind; leading axes are kept.

A ratio 0 / 0 is NaN per class, and is left out of means over classes.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from fedpsyau_jax.types import Bool, Float, Int

__all__ = [
    "Detections",
    "accuracy",
    "confusion_counts",
    "detection_counts",
    "detection_f1",
    "f1_per_class",
    "mean_over_defined",
    "recall_per_class",
    "uar",
    "uf1",
]

AnyArray = jax.Array | np.ndarray


def confusion_counts(
    labels: Int[AnyArray, "examples"],
    predictions: Int[AnyArray, "examples"],
    num_classes: int,
    mask: Bool[AnyArray, "examples"] | Float[AnyArray, "examples"] | None = None,
) -> Int[AnyArray, "classes classes"]:
    """Count examples by (true class, predicted class).

    Args:
        labels: [examples] class indices in 0..num_classes - 1.
        predictions: [examples] class indices in the same range.
        num_classes: number of classes.
        mask: [examples] nonzero where an example counts, zero at padding; None counts all.

    Returns:
        [classes, classes] counts, row = true class. Examples with an index outside the range are ignored.

    >>> confusion_counts(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2).tolist()
    [[1, 1], [0, 2]]
    """
    xp = _namespace(labels)
    classes = xp.arange(num_classes)
    counted = xp.asarray(labels[:, None] == classes, dtype=xp.int32)
    if mask is not None:
        counted = counted * xp.asarray(mask[:, None] != 0, dtype=xp.int32)
    return counted.T @ xp.asarray(predictions[:, None] == classes, dtype=xp.int32)


def f1_per_class(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs classes"]:
    """F1 of each class against the rest: ``2 TP / (2 TP + FP + FN)``.

    Args:
        confusion: [..., classes, classes] counts, row = true class.

    Returns:
        [..., classes] in [0, 1]: 0 for a class without examples that was predicted, NaN for one with neither.

    >>> f1_per_class(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).round(3).tolist()
    [0.667, 0.8, nan]
    """
    xp = _namespace(confusion)
    hits = xp.linalg.diagonal(confusion)
    return _ratio(2 * hits, xp.sum(confusion, axis=-1) + xp.sum(confusion, axis=-2))


def recall_per_class(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs classes"]:
    """Recall of each class: ``TP / N_c``.

    Args:
        confusion: [..., classes, classes] counts, row = true class.

    Returns:
        [..., classes] in [0, 1], NaN for a class without examples.

    >>> recall_per_class(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    [0.5, 1.0, nan]
    """
    xp = _namespace(confusion)
    return _ratio(xp.linalg.diagonal(confusion), xp.sum(confusion, axis=-1))


def uf1(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs"]:
    """Unweighted F1: the mean over classes of ``2 TP / (2 TP + FP + FN)``.

    A class with no example and no prediction is left out of the mean; a class that has no example but was
    predicted enters it as 0. The released implementation instead divides by the number of classes of the data
    set (a perfect score on a test set that lacks a class stays below 1) and gives 0 if only one class occurs.

    Args:
        confusion: [..., classes, classes] counts POOLED over folds or clients, row = true class.

    Returns:
        [...] in [0, 1]; NaN without any example.

    Source: MEGC 2019 (See et al., FG 2019).

    >>> float(uf1(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])))
    0.7333333333333334
    """
    return mean_over_defined(f1_per_class(confusion))


def uar(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs"]:
    """Unweighted average recall: the mean of ``TP / N_c`` over the classes that have examples.

    Args:
        confusion: [..., classes, classes] counts POOLED over folds or clients, row = true class.

    Returns:
        [...] in [0, 1]; NaN without any example.

    Source: MEGC 2019 (See et al., FG 2019); the released implementation differs as it does in ``uf1``.

    >>> float(uar(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])))
    0.75
    """
    return mean_over_defined(recall_per_class(confusion))


def accuracy(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs"]:
    """Share of examples that were classified correctly: ``sum TP / N``.

    Args:
        confusion: [..., classes, classes] counts, row = true class.

    Returns:
        [...] in [0, 1]; NaN without any example.

    >>> float(accuracy(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])))
    0.75
    """
    xp = _namespace(confusion)
    return _ratio(xp.sum(xp.linalg.diagonal(confusion), axis=-1), xp.sum(confusion, axis=(-2, -1)))


class Detections(NamedTuple):
    """Outcome counts of a binary detector, each [..., aus]; they can be added over clients.

    >>> counts = Detections(*np.array([[3], [1], [2], [4]]))
    >>> counts.hits.tolist(), counts.false_alarms.tolist()
    ([3], [2])
    """

    hits: AnyArray
    misses: AnyArray
    false_alarms: AnyArray
    correct_rejections: AnyArray


def detection_counts(
    labels: Float[AnyArray, "examples aus"],
    predictions: Float[AnyArray, "examples aus"],
    au_mask: Float[AnyArray, "examples aus"],
) -> Detections:
    """Count the four outcomes of detecting each action unit, over the examples where it is labelled.

    Args:
        labels: [examples, aus] nonzero where the action unit is present.
        predictions: [examples, aus] nonzero where it was detected.
        au_mask: [examples, aus] zero where it is not labelled, or the example is padding; not counted there.

    Returns:
        Counts, each [aus].

    >>> present, detected = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    >>> [count.tolist() for count in detection_counts(present, detected, au_mask=np.array([[1, 0], [1, 0]]))]
    [[1, 0], [1, 0], [0, 0], [0, 0]]
    """
    xp = _namespace(labels)
    present, detected, known = labels != 0, predictions != 0, au_mask != 0

    def count(event: AnyArray) -> AnyArray:
        return xp.sum(xp.asarray(event & known, dtype=xp.int32), axis=0)

    return Detections(
        hits=count(present & detected),
        misses=count(present & ~detected),
        false_alarms=count(~present & detected),
        correct_rejections=count(~present & ~detected),
    )


def detection_f1(detections: Detections) -> Float[AnyArray, "*runs aus"]:
    """F1 of each action unit: ``2 TP / (2 TP + FP + FN)``.

    Args:
        detections: counts, each [..., aus].

    Returns:
        [..., aus] in [0, 1]; NaN for an action unit that neither occurs nor is detected. ``mean_over_defined``
        gives the macro average.

    >>> present, detected = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    >>> counts = detection_counts(present, detected, au_mask=np.array([[1, 0], [1, 0]]))
    >>> detection_f1(counts).round(3).tolist()
    [0.667, nan]
    """
    hits, misses, false_alarms, _ = detections
    return _ratio(2 * hits, 2 * hits + misses + false_alarms)


def mean_over_defined(values: Float[AnyArray, "*runs classes"]) -> Float[AnyArray, "*runs"]:
    """Mean over the last axis of the values that are not NaN.

    Args:
        values: [..., classes] scores, NaN where a class has none.

    Returns:
        [...] their mean; NaN if none is defined.

    >>> float(mean_over_defined(np.array([0.5, 1.0, np.nan])))
    0.75
    """
    xp = _namespace(values)
    defined = ~xp.isnan(values)
    return _ratio(xp.sum(xp.where(defined, values, 0), axis=-1), xp.sum(defined, axis=-1))


def _ratio(numerator: AnyArray, denominator: AnyArray) -> AnyArray:
    xp = _namespace(numerator)
    return xp.where(denominator == 0, xp.nan, numerator / xp.where(denominator == 0, 1, denominator))


def _namespace(array: AnyArray) -> Any:
    return array.__array_namespace__()
