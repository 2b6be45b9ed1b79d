"""The networks of FED-PsyAU: an AU detector, an emotion classifier, and both as one network.

``network``, ``au_detector`` and ``emotion_classifier`` build a ``Model``, two pure functions. Names are imported when
they are first used: a part such as ``models.conv`` can be imported without the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedpsyau_jax.models.attention import Attention
    from fedpsyau_jax.models.dpk_gat import DPKGAT, attend_dense, attend_graph
    from fedpsyau_jax.models.fedpsyau import (
        VARIANTS,
        Architecture,
        AUDetector,
        AUOutputs,
        Detected,
        FedPsyAU,
        Outputs,
        au_detector,
        detect_attending,
        emotion_classifier,
        network,
    )

__all__ = [
    "DPKGAT",
    "VARIANTS",
    "AUDetector",
    "AUOutputs",
    "Architecture",
    "Attention",
    "Detected",
    "FedPsyAU",
    "Outputs",
    "attend_dense",
    "attend_graph",
    "au_detector",
    "detect_attending",
    "emotion_classifier",
    "network",
]
_MODULES = {"Attention": "attention", "DPKGAT": "dpk_gat", "attend_dense": "dpk_gat", "attend_graph": "dpk_gat"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name in __all__:
        module = import_module(f"fedpsyau_jax.models.{_MODULES.get(name, 'fedpsyau')}")
        return globals().setdefault(name, getattr(module, name))
    raise AttributeError(f"module 'fedpsyau_jax.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
