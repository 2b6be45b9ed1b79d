"""Recognition scores, from a confusion matrix."""

from fedpsyau_jax.metrics.ratio import AnyArray, mean_over_defined, namespace, ratio
from fedpsyau_jax.types import Bool, Float, Int


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

    >>> import numpy as np
    >>> confusion_counts(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2).tolist()
    [[1, 1], [0, 2]]
    """
    xp = namespace(labels)
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

    >>> import numpy as np
    >>> f1_per_class(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).round(3).tolist()
    [0.667, 0.8, nan]
    """
    xp = namespace(confusion)
    hits = xp.linalg.diagonal(confusion)
    return ratio(2 * hits, xp.sum(confusion, axis=-1) + xp.sum(confusion, axis=-2))


def recall_per_class(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs classes"]:
    """Recall of each class: ``TP / N_c``.

    Args:
        confusion: [..., classes, classes] counts, row = true class.

    Returns:
        [..., classes] in [0, 1], NaN for a class without examples.

    >>> import numpy as np
    >>> recall_per_class(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
    [0.5, 1.0, nan]
    """
    xp = namespace(confusion)
    return ratio(xp.linalg.diagonal(confusion), xp.sum(confusion, axis=-1))


def precision_per_class(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs classes"]:
    """Precision of each class: ``TP / (TP + FP)``.

    Args:
        confusion: [..., classes, classes] counts, row = true class.

    Returns:
        [..., classes] in [0, 1]: 0 for a class with examples that was never predicted, NaN for one with neither.

    >>> import numpy as np
    >>> precision_per_class(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).round(3).tolist()
    [1.0, 0.667, nan]
    """
    xp = namespace(confusion)
    num_predicted, num_true = xp.sum(confusion, axis=-2), xp.sum(confusion, axis=-1)
    never_predicted = (num_predicted == 0) & (num_true > 0)
    return ratio(xp.linalg.diagonal(confusion), xp.where(never_predicted, num_true, num_predicted))


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

    >>> import numpy as np
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

    >>> import numpy as np
    >>> float(uar(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])))
    0.75
    """
    return mean_over_defined(recall_per_class(confusion))


def macro_precision(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs"]:
    """Macro precision: the mean over classes of ``TP / (TP + FP)``.

    Not the unweighted average recall, in whose place it has been published (STSTNet's "UAR" on MEGC 2019 is this).
    A class with examples that was never predicted enters as 0, one with neither is left out.

    Args:
        confusion: [..., classes, classes] counts POOLED over folds or clients, row = true class.

    Returns:
        [...] in [0, 1]; NaN without any example.

    >>> import numpy as np
    >>> float(macro_precision(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])))
    0.8333333333333333
    """
    return mean_over_defined(precision_per_class(confusion))


def accuracy(confusion: Int[AnyArray, "*runs classes classes"]) -> Float[AnyArray, "*runs"]:
    """Share of examples that were classified correctly: ``sum TP / N``.

    Args:
        confusion: [..., classes, classes] counts, row = true class.

    Returns:
        [...] in [0, 1]; NaN without any example.

    >>> import numpy as np
    >>> float(accuracy(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])))
    0.75
    """
    xp = namespace(confusion)
    return ratio(xp.sum(xp.linalg.diagonal(confusion), axis=-1), xp.sum(confusion, axis=(-2, -1)))
