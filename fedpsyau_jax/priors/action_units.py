"""The twelve facial action units (AUs) of the published network, in their usual order, and the names of all AUs.

Source: the units, Ekman & Friesen, Facial Action Coding System (1978); the choice, FED-PsyAU (ICCV 2025).
"""

UPPER = (1, 2, 4, 5, 6, 7)
LOWER = (9, 10, 12, 14, 15, 17)
ACTION_UNITS = UPPER + LOWER

UPPER_NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    41: "lid droop",
    42: "slit",
    43: "eyes closed",
    44: "squint",
    45: "blink",
    46: "wink",
}
"""AUs of brows, lids and cheeks."""
LOWER_NAMES = {
    9: "nose wrinkler",
    10: "upper lip raiser",
    11: "nasolabial deepener",
    12: "lip corner puller",
    13: "sharp lip puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    20: "lip stretcher",
    22: "lip funneler",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    28: "lip suck",
    38: "nostril dilator",
    39: "nostril compressor",
}
"""AUs of nose, mouth and chin."""
NAMES = UPPER_NAMES | LOWER_NAMES
