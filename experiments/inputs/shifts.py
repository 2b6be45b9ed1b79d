"""Several lab shifts as one dataset.

A sweep over ``lab-shift`` needs the data of every shift at once. They are one dataset, in which site and clip say the
shift: ``0.5/lab1``, ``0.5/sub0001_01``. The people are the same in all; each row of the table has the splits of its own
shift.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from data.dataset import Dataset, fingerprint, sites_of
from experiments.inputs.joining import all_drops, all_examples
from experiments.inputs.settings import FedSettings
from fedpsyau_jax.splits import Split
from fedpsyau_jax.synthesis.lab_shift import parse_shift


def shifted(datasets: Sequence[Dataset]) -> Dataset:
    """The datasets of several shifts as one.

    Args:
      datasets: of configurations of labs that differ in their shift.
    """
    shifts = [_shift_of_configuration(one) for one in datasets]
    pairs = list(zip(shifts, datasets, strict=True))
    together = replace(
        datasets[0],
        name="synthetic/labs",
        examples=all_examples(datasets),
        subject=np.concatenate([one.subject for one in datasets]),
        clip=np.concatenate([[f"{shift}/{clip}" for clip in one.clip] for shift, one in pairs]),
        site=np.concatenate([[f"{shift}/{site}" for site in sites_of(one)] for shift, one in pairs]),
        row=np.concatenate([one.row for one in datasets]),
        metadata=all_drops(datasets),
    )
    return replace(together, fingerprint=fingerprint(together))


def shift_and_lab(sites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shift of each site, empty if a dataset has one only, and its lab.

    >>> shift_and_lab(np.array(["0.5/lab1", "lab2"]))
    (array(['0.5', ''], dtype='<U3'), array(['lab1', 'lab2'], dtype='<U4'))
    """
    parts = [site.rpartition("/") for site in sites.tolist()]
    return np.array([shift for shift, _, _ in parts]), np.array([lab for _, _, lab in parts])


def split_name(shift: str) -> str:
    """Name of the split of a shift, where there are several.

    >>> split_name("0.5")
    'lab-shift 0.5'
    """
    return f"lab-shift {shift}"


def splits_of_row(settings: object, splits: Sequence[Split]) -> list[tuple[int, Split]]:
    """The splits that a row of the table is trained on, with their numbers: all, or the one of its shift."""
    numbered = list(enumerate(splits))
    if not isinstance(settings, FedSettings) or len(splits) == 1:
        return numbered
    name = split_name(str(parse_shift(settings.lab_shift)))
    return [(number, split) for number, split in numbered if split.name == name]


def _shift_of_configuration(dataset: Dataset) -> str:
    configuration = dataset.name.split("/")[1]
    return configuration.removeprefix("labs-").partition("-")[2]
