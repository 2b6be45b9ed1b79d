"""What weights give away: who was trained on (``membership``, measured with ``roc`` and ``audit``), and what they look
like (``inversion``, measured with ``pictures``).

Attacks are measurements here: pure functions of what an attacker sees. Who that is, is the caller's to say.
"""

from fedpsyau_jax.attacks.audit import Trials, audited_epsilon, proportion_bounds
from fedpsyau_jax.attacks.inversion import (
    Inverted,
    blurred,
    cosine_distance,
    invert,
    mean_cosine_distance,
    total_variation,
)
from fedpsyau_jax.attacks.membership import by_subject, leave_pair_out, lira, log_odds, rmia
from fedpsyau_jax.attacks.pictures import psnr, ssim
from fedpsyau_jax.attacks.roc import Roc, auc, resolvable, roc, tpr_at

__all__ = [
    "Inverted",
    "Roc",
    "Trials",
    "auc",
    "audited_epsilon",
    "blurred",
    "by_subject",
    "cosine_distance",
    "invert",
    "leave_pair_out",
    "lira",
    "log_odds",
    "mean_cosine_distance",
    "proportion_bounds",
    "psnr",
    "resolvable",
    "rmia",
    "roc",
    "ssim",
    "total_variation",
    "tpr_at",
]
