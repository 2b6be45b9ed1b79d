"""Priors as an axis of a comparison: what each is computed from, and where its examples are in the store."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from experiments.inputs.priors import prior_named
from experiments.run import arrays as kept
from experiments.run.folder import RunFolder
from experiments.training.tasks import Detector
from fedpsyau_jax.priors import AnnotationTable, Priors
from fedpsyau_jax.types import ClientState, Float, Int

SAME = 1e-5
"""Largest difference of a share that rounding on another machine can explain."""


class Fitted(NamedTuple):
    """A prior of each repeat, with the rows that went into it.

    ``name``: as on the command line; ``priors``, ``rows``: [repeats].
    """

    name: str
    priors: Sequence[Priors]
    rows: Sequence[Int[np.ndarray, "rows"]]


class Sight(NamedTuple):
    """What the examples of a comparison are seen through.

    ``detectors``: each one that differs from the others, so that examples are seen once by each; ``which``: the one of
    each prior and repeat.
    """

    detectors: list[Detector]
    which: Int[np.ndarray, "priors repeats"]


def fitted(name: str, table: AnnotationTable, rows: Sequence[Int[np.ndarray, "rows"]]) -> Fitted:
    """A prior computed anew for each repeat; its function is given the annotations of these rows and no others.

    Args:
      name: a value of ``--prior``.
      table: annotations of all examples.
      rows: [repeats] training examples of all clients together.

    Raises:
      ValueError: no such prior, or what its function returns is none.
    """
    prior_of = prior_named(name)
    return Fitted(name, [jax.tree.map(np.asarray, prior_of(table.rows(own))) for own in rows], rows)


def sight(priors: Sequence[Fitted], clients: Sequence[ClientState]) -> Sight:
    """Detectors and priors joined.

    Args:
      priors: [priors] fitted ones.
      clients: [priors] the detector that was pretrained with each.
    """
    kinds = [distinct(prior.priors)[0] for prior in priors]
    detectors = [Detector(client, kind) for own, client in zip(kinds, clients, strict=True) for kind in own]
    return Sight(detectors, places(priors))


def places(priors: Sequence[Fitted]) -> Int[np.ndarray, "priors repeats"]:
    """Which detector each prior and repeat sees through, known before there is any; they are numbered without gaps."""
    which: list[np.ndarray] = []
    for prior in priors:
        first = max((own.max() + 1 for own in which), default=0)
        which.append(first + distinct(prior.priors)[1])
    return np.stack(which)


def named_rows(titles: Sequence[str], priors: Sequence[str]) -> list[str]:
    """Names of the rows of a table: each title with each prior, where there are several.

    >>> named_rows(["FedAvg"], ["published"]), named_rows(["FedAvg"], ["published", "uniform"])
    (['FedAvg'], ['FedAvg, published prior', 'FedAvg, uniform prior'])
    """
    if len(priors) == 1:
        return list(titles)
    return [f"{title}, {prior} prior" for title in titles for prior in priors]


def distinct(priors: Sequence[Priors]) -> tuple[list[Priors], Int[np.ndarray, "given"]]:
    """Each prior once, and the place of each given one among them.

    >>> from fedpsyau_jax.priors import published
    >>> kinds, places = distinct([published(), published()])
    >>> len(kinds), places.tolist()
    (1, [0, 0])
    """
    _, first, places = np.unique(_numbers(priors), axis=0, return_index=True, return_inverse=True)
    return [priors[place] for place in first], places.ravel()


def named(priors: Sequence[Fitted]) -> list[tuple[str, Priors]]:
    """Each prior of each repeat, with its name."""
    return [(prior.name, own) for prior in priors for own in prior.priors]


def keep_priors(folder: RunFolder, name: str, priors: Sequence[tuple[str, Priors]]) -> None:
    """Write down the priors of a run; in a resumed run, see that they are still the same.

    Args:
        folder: of the run.
        name: of what is trained with them.
        priors: every one of every split, with its name for the message.

    Raises:
        ValueError: a prior is not that of the interrupted run.
    """
    refuse_changed_priors(folder, name, priors)
    if not folder.has(file := _file(name)):
        content = io.BytesIO()
        np.savez_compressed(content, priors=_numbers([prior for _, prior in priors]))
        folder.write_bytes(file, content.getvalue())


def refuse_changed_priors(folder: RunFolder, name: str, priors: Sequence[tuple[str, Priors]]) -> None:
    """See that priors are those that ``keep_priors`` wrote, if it did.

    Raises:
        ValueError: which one is not; or the file is damaged.
    """
    if not folder.has(file := _file(name)):
        return
    before = _kept_numbers(folder.path / file)
    now = _numbers([prior for _, prior in priors])
    same = before.shape == now.shape and np.isclose(before, now, rtol=0, atol=SAME).all(axis=1)
    if not np.all(same):
        which = priors[int(np.argmin(same))][0]
        raise ValueError(
            f"{folder.path} was run with another prior than {which} is now: put back the function that makes it, or "
            "run again"
        )


def _numbers(priors: Sequence[Priors]) -> Float[np.ndarray, "priors numbers"]:
    return np.stack([np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(prior)]) for prior in priors])


def _kept_numbers(place: Path) -> Float[np.ndarray, "priors numbers"]:
    try:
        return kept.arrays_in(place)["priors"].astype(float)
    except kept.Damaged as error:
        reason = str(error)
    except (KeyError, ValueError):
        reason = f"{place} holds no priors"
    raise ValueError(
        f"{reason}; restore it; or, if the function that makes them and the code are still those of the run, delete it"
    )


def _file(name: str) -> str:
    return f"priors/{name}.npz"
