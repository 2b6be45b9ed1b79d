"""Recognition scores, computed from counts.

Counts (a confusion matrix, or true and false detections) can be added over batches, clients and folds; scores cannot.
So add counts first and compute scores last. Each function accepts NumPy or JAX arrays, traced ones included, and
returns the same kind; leading axes are kept.

A ratio 0 / 0 is NaN per class, and is left out of means over classes.
"""

from fedpsyau_jax.metrics.classification import (
    accuracy,
    confusion_counts,
    f1_per_class,
    macro_precision,
    precision_per_class,
    recall_per_class,
    uar,
    uf1,
)
from fedpsyau_jax.metrics.detection import Detections, detection_counts, detection_f1
from fedpsyau_jax.metrics.ratio import AnyArray, mean_over_defined

__all__ = [
    "AnyArray",
    "Detections",
    "accuracy",
    "confusion_counts",
    "detection_counts",
    "detection_f1",
    "f1_per_class",
    "macro_precision",
    "mean_over_defined",
    "precision_per_class",
    "recall_per_class",
    "uar",
    "uf1",
]
