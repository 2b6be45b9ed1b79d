"""FED-PsyAU in JAX: federated micro-expression recognition with psychological priors, as pure functions.

Names are imported when they are first used, so ``import fedpsyau_jax`` itself loads neither jax nor flax.
``docs/api.md`` lists them. ``fedpsyau_jax.federated`` is the subpackage, not its function of that name.

>>> import fedpsyau_jax as fed
>>> import jax.numpy as jnp
>>> print(fed.fedavg(jnp.array([30.0, 10.0])).mixing[0])
[0.75 0.25]
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedpsyau_jax import federated, interop, losses, metrics, models, priors, splits, types
    from fedpsyau_jax.federated import (
        Broadcast,
        ClientData,
        ClientUpdate,
        FederatedAlgorithm,
        FedState,
        Strategy,
        TrainTest,
        anchored_at_start,
        averaging,
        centralised,
        client_mesh,
        client_sharding,
        equal_batches,
        evaluated,
        fedavg,
        fedprox,
        fori_batches,
        in_chunks,
        in_groups,
        isolation,
        keep_state,
        local_only,
        local_training,
        masked_mean,
        mix,
        norm_prox,
        num_examples,
        p_fedprox,
        personalised,
        pooled,
        reset_state,
        run,
        scan_batches,
        sequential,
        sharded,
        squared_prox,
        stacked,
        state_sharding,
        sweep,
        vectorised,
    )
    from fedpsyau_jax.interop import from_released, to_released
    from fedpsyau_jax.losses import (
        binary_cross_entropy,
        classification_loss,
        cross_entropy,
        detection_loss,
        joint_loss,
    )
    from fedpsyau_jax.metrics import (
        Detections,
        accuracy,
        confusion_counts,
        detection_counts,
        detection_f1,
        f1_per_class,
        macro_precision,
        mean_over_defined,
        precision_per_class,
        recall_per_class,
        uar,
        uf1,
    )
    from fedpsyau_jax.models import (
        VARIANTS,
        Architecture,
        AUOutputs,
        Detected,
        Outputs,
        au_detector,
        detect_attending,
        emotion_classifier,
        network,
    )
    from fedpsyau_jax.priors import (
        ACTION_UNITS,
        AnnotationTable,
        Prior,
        Priors,
        as_priors,
        blend,
        from_annotations,
        from_counts,
        grouped,
        permute,
        published,
        released_decay,
        restrict,
        shuffle_edges,
        subset,
        symmetrise,
    )
    from fedpsyau_jax.splits import (
        Client,
        Origins,
        Split,
        by_example,
        by_subject,
        k_fold,
        leave_one_subject_out,
        pad_indices,
        refuse_leaks,
        split_clients,
        split_groups,
        with_validation,
    )
    from fedpsyau_jax.types import Batch, ClientState, Examples, Model

__all__ = [
    "ACTION_UNITS",
    "VARIANTS",
    "AUOutputs",
    "AnnotationTable",
    "Architecture",
    "Batch",
    "Broadcast",
    "Client",
    "ClientData",
    "ClientState",
    "ClientUpdate",
    "Detected",
    "Detections",
    "Examples",
    "FedState",
    "FederatedAlgorithm",
    "Model",
    "Origins",
    "Outputs",
    "Prior",
    "Priors",
    "Split",
    "Strategy",
    "TrainTest",
    "__version__",
    "accuracy",
    "anchored_at_start",
    "as_priors",
    "au_detector",
    "averaging",
    "binary_cross_entropy",
    "blend",
    "by_example",
    "by_subject",
    "centralised",
    "classification_loss",
    "client_mesh",
    "client_sharding",
    "confusion_counts",
    "cross_entropy",
    "detect_attending",
    "detection_counts",
    "detection_f1",
    "detection_loss",
    "emotion_classifier",
    "equal_batches",
    "evaluated",
    "f1_per_class",
    "fedavg",
    "federated",
    "fedprox",
    "fori_batches",
    "from_annotations",
    "from_counts",
    "from_released",
    "grouped",
    "in_chunks",
    "in_groups",
    "interop",
    "isolation",
    "joint_loss",
    "k_fold",
    "keep_state",
    "leave_one_subject_out",
    "local_only",
    "local_training",
    "losses",
    "macro_precision",
    "masked_mean",
    "mean_over_defined",
    "metrics",
    "mix",
    "models",
    "network",
    "norm_prox",
    "num_examples",
    "p_fedprox",
    "pad_indices",
    "permute",
    "personalised",
    "pooled",
    "precision_per_class",
    "priors",
    "published",
    "recall_per_class",
    "refuse_leaks",
    "released_decay",
    "reset_state",
    "restrict",
    "run",
    "scan_batches",
    "sequential",
    "sharded",
    "shuffle_edges",
    "split_clients",
    "split_groups",
    "splits",
    "squared_prox",
    "stacked",
    "state_sharding",
    "subset",
    "sweep",
    "symmetrise",
    "to_released",
    "types",
    "uar",
    "uf1",
    "vectorised",
    "with_validation",
]
_MODULES = ("types", "metrics", "federated", "splits", "priors", "models", "losses", "interop")  # the lightest first


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name == "__version__":
        return version("fedpsyau-jax")
    if name in _MODULES:
        return import_module(f"fedpsyau_jax.{name}")
    if name in __all__:
        modules = ("models",) if name == "Outputs" else _MODULES  # types.Outputs is any model's
        for module in (import_module(f"fedpsyau_jax.{module}") for module in modules):
            if name in module.__all__:
                return globals().setdefault(name, getattr(module, name))
    raise AttributeError(f"module 'fedpsyau_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
