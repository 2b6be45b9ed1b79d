"""When a clip is not to be read: what its motion and the ensemble must at least show."""

FLOOR, FLOOR_BY_HEAD = 0.010, 0.0005
"""Strain that noise leaves on a still face, and that each pixel of head motion adds. Of 144 takes of synthetic faces
without an expression 5 % lay above it, of 144 with one (intensity .05 to .35) 8 % below; docs/predict.md has more."""
LEAST_AGREEMENT = 2 / 3
"""Share of an ensemble that must have the same most probable emotion."""
FEWEST_VOTES = 3
"""Networks from which on they can be said to disagree."""


def strain_floor(head: float) -> float:
    """Strain below which motion cannot be told from what the head's motion leaves behind.

    Args:
      head: mean motion of the landmarks with the head, pixels of a face of 128.

    >>> strain_floor(0), strain_floor(4)
    (0.01, 0.012)
    """
    return FLOOR + FLOOR_BY_HEAD * head


def too_still(strain: float, head: float) -> str:
    """Why there is too little motion to read; empty if there is enough.

    >>> too_still(0.05, 1.0)
    ''
    """
    if strain >= strain_floor(head):
        return ""
    return (
        f"the face hardly moves: a strain of {strain:.3f}, and noise and a head that moves by {head:.1f} pixels leave "
        f"up to {strain_floor(head):.3f}"
    )


def disagreement(agreement: float, num_networks: int) -> str:
    """Why an ensemble's answer is none; empty if enough of its networks agree, or they are too few to disagree.

    >>> disagreement(1.0, 5)
    ''
    """
    if num_networks < FEWEST_VOTES or agreement >= LEAST_AGREEMENT:
        return ""
    return f"the networks disagree: {agreement:.0%} of {num_networks} have the same most probable emotion"
