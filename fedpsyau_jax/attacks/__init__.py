"""What trained weights give away: who was trained on (``membership``), measured with ``roc`` and ``audit``.

Attacks are measurements here: pure functions of what an attacker sees. Who that is, is the caller's to say.
"""

from fedpsyau_jax.attacks.audit import Trials, audited_epsilon, proportion_bounds
from fedpsyau_jax.attacks.membership import by_subject, leave_pair_out, lira, log_odds, rmia
from fedpsyau_jax.attacks.roc import Roc, auc, resolvable, roc, tpr_at

__all__ = [
    "Roc",
    "Trials",
    "auc",
    "audited_epsilon",
    "by_subject",
    "leave_pair_out",
    "lira",
    "log_odds",
    "proportion_bounds",
    "resolvable",
    "rmia",
    "roc",
    "tpr_at",
]
