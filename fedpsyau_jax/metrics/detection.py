"""Detection scores of action units, from true and false detections."""

from typing import NamedTuple

from fedpsyau_jax.metrics.ratio import AnyArray, namespace, ratio
from fedpsyau_jax.types import Float


class Detections(NamedTuple):
    """Outcome counts of a binary detector, each [..., aus]; they can be added over clients.

    >>> import numpy as np
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

    >>> import numpy as np
    >>> present, detected = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    >>> [count.tolist() for count in detection_counts(present, detected, au_mask=np.array([[1, 0], [1, 0]]))]
    [[1, 0], [1, 0], [0, 0], [0, 0]]
    """
    xp = namespace(labels)
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

    >>> import numpy as np
    >>> present, detected = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    >>> counts = detection_counts(present, detected, au_mask=np.array([[1, 0], [1, 0]]))
    >>> detection_f1(counts).round(3).tolist()
    [0.667, nan]
    """
    hits, misses, false_alarms, _ = detections
    return ratio(2 * hits, 2 * hits + misses + false_alarms)
