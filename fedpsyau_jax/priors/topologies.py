"""The published topologies (psychological prior): who may attend to whom, one row for each receiving AU.

Rows and columns follow ``action_units``. The graphs are directed: AU9 attends to AU2, AU2 does not attend to AU9.
Source: the released implementation of FED-PsyAU (ICCV 2025).
"""

import numpy as np

from fedpsyau_jax.types import Bool

#              1 2 4 5 6 7
UPPER_ROWS = ("1 1 1 1 0 0",  # 1
              "1 1 1 1 0 0",  # 2
              "1 1 1 0 0 0",  # 4
              "1 1 0 1 0 0",  # 5
              "0 0 0 0 1 1",  # 6
              "0 0 0 0 1 1")  # 7  # fmt: skip

#              9 10 12 14 15 17
LOWER_ROWS = ("1 1 0 0 0 0",  # 9
              "1 1 0 0 0 0",  # 10
              "0 0 1 1 0 0",  # 12
              "0 0 1 1 0 0",  # 14
              "0 0 0 0 1 1",  # 15
              "0 0 0 0 1 1")  # 17  # fmt: skip

# Self-loops, and links between the upper and the lower face.
#               1 2 4 5 6 7  9 10 12 14 15 17
GLOBAL_ROWS = ("1 0 0 0 0 0  0 0 1 1 1 0",  # 1
               "0 1 0 0 0 0  0 0 1 1 1 1",  # 2
               "0 0 1 0 0 0  1 1 0 1 1 1",  # 4
               "0 0 0 1 0 0  0 0 1 0 0 0",  # 5
               "0 0 0 0 1 0  1 0 1 1 0 0",  # 6
               "0 0 0 0 0 1  1 1 1 1 1 1",  # 7
               "0 1 1 0 1 1  1 0 0 0 0 0",  # 9
               "0 0 1 0 0 1  0 1 0 0 0 0",  # 10
               "1 1 0 1 1 1  0 0 1 0 0 0",  # 12
               "1 1 1 0 1 1  0 0 0 1 0 0",  # 14
               "1 1 1 0 0 1  0 0 0 0 1 0",  # 15
               "0 1 1 0 0 1  0 0 0 0 0 1")  # 17  # fmt: skip


def topology(rows: tuple[str, ...]) -> Bool[np.ndarray, "nodes nodes"]:
    """Read a topology written as rows of 0 and 1.

    Args:
        rows: one string for each receiving node, one digit for each sending node; spaces are ignored.

    Returns:
        ``[i, j]`` is true where node i may attend to node j.

    Raises:
        ValueError: the length of a row differs from the number of rows, or a digit is neither 0 nor 1.

    >>> topology(("1 1", "0 1")).tolist()
    [[True, True], [False, True]]
    """
    digits = ["".join(row.split()) for row in rows]
    for number, row in enumerate(digits):
        if len(row) != len(rows) or set(row) - {"0", "1"}:
            raise ValueError(f"row {number} of the topology is {rows[number]!r}: write {len(rows)} digits 0 or 1")
    return np.array([[digit == "1" for digit in row] for row in digits])


UPPER = topology(UPPER_ROWS)
LOWER = topology(LOWER_ROWS)
GLOBAL = topology(GLOBAL_ROWS)
