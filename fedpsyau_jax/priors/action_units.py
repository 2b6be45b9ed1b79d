"""The twelve facial action units (AUs) of the published network, in the order used everywhere.

Source: the units, Ekman & Friesen, Facial Action Coding System (1978); the choice, FED-PsyAU (ICCV 2025).
"""

UPPER = (1, 2, 4, 5, 6, 7)
LOWER = (9, 10, 12, 14, 15, 17)
ACTION_UNITS = UPPER + LOWER

NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
}
