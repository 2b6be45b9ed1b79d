"""The rows of the table, each with its own settings, and their trainings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.algorithms import OPTION, algorithm
from experiments.inputs.algorithms import models as models_of_algorithm
from experiments.inputs.algorithms import title as title_of_algorithm
from experiments.inputs.priors import prior_named
from experiments.inputs.settings import (
    AblateSettings,
    AUModule,
    FedSettings,
    RecognitionSettings,
    RunSettings,
)
from experiments.inputs.shifts import splits_of_row
from experiments.inputs.sweep import points
from experiments.training.plan import Group, Training, group, rows_to_train_on
from experiments.training.privacy import private_numbers, rows_by_subject
from experiments.training.recipe import numbers_of, recipe_of
from fedpsyau_jax.federated import Strategy, local_only, structure
from fedpsyau_jax.models.fedpsyau import VARIANTS
from fedpsyau_jax.priors import AnnotationTable, Priors
from fedpsyau_jax.splits import Split, pooled
from fedpsyau_jax.types import Int

AU_TITLES = {"frozen": "frozen AU module", "finetuned": "fine-tuned AU module", "scratch": "AU module from scratch"}
DETECTOR = "AU detector"
NO_PRIOR_USED = tuple(name for name, choices in VARIANTS.items() if not (choices.regional or choices.global_))
"""Variants without graph attention: they use no prior, so they are trained once."""
CENTRALISED = "centralised"


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
      title: its unique name in tables.
      name: its algorithm, as on the command line; its variant in an ablation; else "mer" or "pretrain".
      settings: the settings of this row only, with one algorithm, prior and network and no sweep.
      values: by option, the swept values that it depends on, as text.
      model: which model of a client it tests, where its algorithm has two.
    """

    title: str
    name: str
    settings: RunSettings
    values: Mapping[str, str] = field(default_factory=dict)
    model: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of a run and their trainings, in groups that one program can train."""

    rows: tuple[Row, ...]
    groups: tuple[Group, ...]

    @property
    def trainings(self) -> list[Training]:
        """All trainings, in the order of the rows."""
        places = {row.title: place for place, row in enumerate(self.rows)}
        return sorted(
            (one for own in self.groups for one in own.trainings),
            key=lambda one: (places[one.row], one.repeat, one.number),
        )

    @property
    def num_trained(self) -> int:
        """How many trainings there are; rows that test different models of the same clients share theirs."""
        return sum(one.num_trained for one in self.groups)


class PriorCache:
    """Computes the priors of each split from the annotations of its training examples, once for all rows."""

    def __init__(self, annotations: AnnotationTable) -> None:
        """Start with an empty cache."""
        self.annotations = annotations
        self.cache: dict[tuple[str, bytes], Priors] = {}

    def __call__(self, name: str, rows: Int[np.ndarray, "rows"]) -> Priors:
        """The prior of this name, computed from these examples."""
        key = (name, rows.tobytes())
        if key not in self.cache:
            self.cache[key] = jax.tree.map(np.asarray, prior_named(name)(self.annotations.rows(rows)))
        return self.cache[key]


def table_of(
    settings: RunSettings,
    repeats: Sequence[Sequence[Split]],
    annotations: AnnotationTable,
    shown: Int[np.ndarray, "rows"],
) -> Table:
    """Every algorithm (or network) x prior x combination of swept values, on every split of every repeat.

    A row that does not depend on a swept value is there once.

    Args:
      settings: of the run.
      repeats: [repeats][splits].
      annotations: of all examples; a prior sees those of the split's training examples.
      shown: which example each row of the store shows: the sizes of clients count rotated copies.

    Raises:
      ValueError: no such prior or algorithm, or what its function returns is none.
    """
    fitted = PriorCache(annotations)
    rows: dict[bytes, Row] = {}
    trainings: dict[bytes, list[Training]] = {}
    for row in _candidates(settings):
        row_trainings = _trainings(row, repeats, fitted, shown)
        identity = _identity(row, row_trainings)
        if identity in rows:
            same = {o: v for o, v in rows[identity].values.items() if row.values.get(o) == v}
            rows[identity] = replace(rows[identity], values=same)
        else:
            rows[identity], trainings[identity] = row, row_trainings
    named = [replace(row, title=_with_values(row)) for row in rows.values()]
    groups: dict[Any, list[Training]] = {}
    for models in _by_algorithm(named, trainings.values()):
        shape = _shape(models[0][0].settings, models[0][1][0], len(models))
        of_rows = [[replace(one, row=row.title) for one in own] for row, own in models]
        groups.setdefault(shape, []).extend(chain.from_iterable(zip(*of_rows, strict=True)))
    numbered = enumerate(groups.items())
    together = tuple(
        group(str(number), shape[0], shape[1], own, num_models=shape[2]) for number, (shape, own) in numbered
    )
    return Table(tuple(named), together)


def joined_tables(tables: Sequence[Table]) -> Table:
    """The tables of several data, in the order of these, as one: no program trains on more than one of them."""
    groups = [
        replace(own, trainings=tuple(replace(training, data=number) for training in own.trainings))
        for number, table in enumerate(tables)
        for own in table.groups
    ]
    named = tuple(replace(own, name=str(number)) for number, own in enumerate(groups))
    return Table(tuple(row for table in tables for row in table.rows), named)


def _by_algorithm(
    rows: Sequence[Row], trainings: Iterable[list[Training]]
) -> Iterable[list[tuple[Row, list[Training]]]]:
    """Rows with their trainings, those together that test different models of the same clients."""
    algorithms: dict[tuple[str, RunSettings], list[tuple[Row, list[Training]]]] = {}
    for row, own in zip(rows, trainings, strict=True):
        algorithms.setdefault((row.name, row.settings), []).append((row, own))
    return algorithms.values()


def _candidates(settings: RunSettings) -> list[Row]:
    """All combinations of rows and swept values, including rows that do not depend on a value."""
    rows = []
    for values, point in points(settings):
        for name, model, base in _bases(point):
            priors = base.network.prior[:1] if base.network.variant in NO_PRIOR_USED else base.network.prior
            for prior in priors:
                network = replace(base.network, prior=(prior,))
                title = _title(settings, name, model, prior)
                rows.append(Row(title, name, replace(base, network=network), values, model))
    order = {name: place for place, name in enumerate(dict.fromkeys(row.title for row in rows))}
    return sorted(rows, key=lambda row: order[row.title])


def _bases(settings: RunSettings) -> list[tuple[str, str, RunSettings]]:
    """Names, tested models and settings of the algorithms, or of the networks of an ablation."""
    if isinstance(settings, FedSettings):
        return [
            (name, model, replace(settings, algorithms=(name,)))
            for name in settings.algorithms
            for model in models_of_algorithm(name)
        ]
    if isinstance(settings, AblateSettings):
        networks = [replace(settings.network, variant=variant) for variant in settings.variants]
        return [(network.variant, "", replace(settings, network=network)) for network in networks]
    return [("mer" if isinstance(settings, RecognitionSettings) else "pretrain", "", settings)]


def _title(settings: RunSettings, name: str, model: str, prior: str) -> str:
    if isinstance(settings, AblateSettings):
        return name if name in NO_PRIOR_USED else f"{name}, {prior}"
    if isinstance(settings, FedSettings):
        base = title_of_algorithm(name, model)
    else:
        base = AU_TITLES[settings.au_detector] if isinstance(settings, RecognitionSettings) else DETECTOR
    return base if len(settings.network.prior) == 1 else f"{base}, {prior} prior"


def _with_values(row: Row) -> str:
    return ", ".join([row.title, *(f"{option} {value}" for option, value in row.values.items())])


def _trainings(
    row: Row, repeats: Sequence[Sequence[Split]], fitted: PriorCache, shown: Int[np.ndarray, "rows"]
) -> list[Training]:
    settings, numbers = row.settings, numbers_of(row.settings)
    (prior,) = settings.network.prior
    trainings = []
    for repeat, splits in enumerate(repeats):
        for number, split in splits_of_row(settings, splits):
            row_split = pooled(split) if row.name == CENTRALISED else split
            priors = fitted(prior, split.train)
            strategy = _strategy(row, row_split, shown)
            subjects = np.asarray(fitted.annotations.subject)
            people = rows_by_subject(row_split, subjects, shown) if recipe_of(settings).private == "subject" else None
            trainings.append(
                Training(
                    row=row.title,
                    repeat=repeat,
                    number=number,
                    stream=0 if isinstance(settings, FedSettings) else number,
                    split=row_split,
                    strategy=strategy,
                    numbers=private_numbers(row.name, settings, strategy, numbers),
                    network=settings.network,
                    priors=priors,
                    prior_rows=split.train,
                    people=people,
                )
            )
    if len({structure(one.strategy) for one in trainings}) > 1:
        raise ValueError(
            f"{OPTION}={row.name}: the functions in its Strategy differ from split to split; define them outside of "
            "yours, and give them their numbers as jax.tree_util.Partial(function, number, ...)"
        )
    return trainings


def _strategy(row: Row, split: Split, shown: Int[np.ndarray, "rows"]) -> Strategy:
    weights = jnp.array([len(rows_to_train_on(client.train, shown)) for client in split.clients], float)
    if not isinstance(row.settings, FedSettings):
        return local_only(weights)
    return algorithm(row.name, row.model)(weights, row.settings)


def _identity(row: Row, trainings: Sequence[Training]) -> bytes:
    """The same bytes for rows that differ only in swept values that they do not depend on."""
    arrays = [(one.strategy, one.numbers, [client[:2] for client in one.split.clients]) for one in trainings]
    content = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(arrays))
    return repr((row.title, recipe_of(row.settings), trainings[0].network)).encode() + content


def _shape(settings: RunSettings, one: Training, num_models: int) -> tuple[Any, ...]:
    """What all trainings of one program have in common."""
    network = replace(one.network, prior=("",), prior_ratio=0.0)
    au: AUModule | str = settings.au_detector if isinstance(settings, RecognitionSettings) else "detection"
    return recipe_of(settings), au, num_models, network, len(one.split.clients), structure(one.strategy)
