"""The prior ratio during training: any optax schedule of the epoch; here that of the paper."""

import jax.numpy as jnp
import numpy as np
import optax


def released_decay(num_epochs: int) -> optax.Schedule:
    """r_0 = 1, r_e = r_(e-1) (1 - e / E): decays from 1 to 0 during training.

    Args:
        num_epochs: E.

    Returns:
        A function of the epoch (from 0) that returns the ratio in [0, 1], and 0 after the last epoch.

    Raises:
        ValueError: no epochs.

    Source: the released implementation of FED-PsyAU (ICCV 2025). There the ratio is not reset to 1 between folds;
    here each fold starts its own schedule.

    >>> [round(float(released_decay(4)(epoch)), 4) for epoch in range(5)]
    [1.0, 0.75, 0.375, 0.0938, 0.0]
    """
    if num_epochs < 1:
        raise ValueError(f"a decay over {num_epochs} epochs: give at least 1")
    ratios = np.cumprod(1 - np.arange(num_epochs + 1) / num_epochs)
    return lambda epoch: jnp.asarray(ratios)[jnp.minimum(epoch, num_epochs)]
