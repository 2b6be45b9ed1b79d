"""Annotations of clips, without pictures: the input of a prior."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.priors.prior import Prior, Priors
from fedpsyau_jax.types import Float, Int


class AnnotationTable(NamedTuple):
    """Annotations of clips, a row each; host arrays.

    Attributes:
        aus: 1 where an AU is present, 0 where it is not; ignored where ``mask`` is 0.
        mask: 1 where the AU is labelled in the clip, 0 where it is unknown.
        emotion: class index; -1 if unknown.
        subject: [clips] identity, text.
        action_units: AU numbers of the columns.

    >>> table = AnnotationTable(np.eye(3), np.ones((3, 3)), np.arange(3), np.array(["a", "b", "c"]), (1, 2, 4))
    >>> table.aus[:, table.action_units.index(4)].tolist()
    [0.0, 0.0, 1.0]
    """

    aus: Float[np.ndarray, "clips aus"]
    mask: Float[np.ndarray, "clips aus"]
    emotion: Int[np.ndarray, "clips"]
    subject: np.ndarray
    action_units: tuple[int, ...] = ACTION_UNITS

    def rows(self, places: Int[np.ndarray, "rows"]) -> "AnnotationTable":
        """Select clips by index, for example those of a training split.

        >>> table = AnnotationTable(np.eye(3), np.ones((3, 3)), np.arange(3), np.array(["a", "b", "c"]), (1, 2, 4))
        >>> table.rows(np.array([0, 2])).subject.tolist()
        ['a', 'c']
        """
        aus, mask, emotion, subject = (np.asarray(values)[places] for values in self[:4])
        return AnnotationTable(aus, mask, emotion, subject, self.action_units)

    def of(self, action_units: tuple[int, ...]) -> "AnnotationTable":
        """The same clips with columns for these AUs; an AU that the table lacks is unlabelled in every clip.

        >>> table = AnnotationTable(np.eye(2), np.ones((2, 2)), np.arange(2), np.array(["a", "b"]), (4, 25))
        >>> table.of((1, 4)).aus.tolist(), table.of((1, 4)).mask.tolist()
        ([[0.0, 1.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]])
        """
        aus, mask = np.zeros((2, len(self.subject), len(action_units)))
        for place, au in enumerate(action_units):
            if au in self.action_units:
                column = self.action_units.index(au)
                aus[:, place], mask[:, place] = self.aus[:, column], self.mask[:, column]
        return self._replace(aus=aus, mask=mask, action_units=action_units)


def check_annotations(aus: np.ndarray, mask: np.ndarray, subjects: np.ndarray) -> None:
    """Check that arrays are valid annotations of clips.

    Args:
        aus: [clips, aus] 0 or 1 where the AU is labelled.
        mask: [clips, aus] 1 where it is labelled, else 0.
        subjects: [clips].

    Raises:
        ValueError: a labelled entry is neither 0 nor 1, shapes differ, or there is no clip.
    """
    if aus.ndim != 2 or aus.shape != mask.shape or subjects.shape != aus.shape[:1]:
        raise ValueError(
            f"annotations have shape {aus.shape}, their mask {mask.shape} and subjects {subjects.shape}: give "
            "[clips, aus], the same again, and [clips]"
        )
    if not len(aus):
        raise ValueError("there are no annotated clips: give at least one")
    if not np.isin(mask, (0, 1)).all() or not np.isin(aus[mask == 1], (0, 1)).all():
        raise ValueError("annotations hold a number other than 0 and 1: mark a missing label with 0 in the mask")


PriorFunction = Callable[[AnnotationTable], Prior | Priors]
