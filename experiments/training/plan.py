"""The trainings of a run: rows of the table x splits, in groups that one compiled program can train."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import AUModule
from experiments.training.store import CHUNK
from experiments.training.task import Numbers
from fedpsyau_jax.federated import ClientData, Strategy, stacked
from fedpsyau_jax.federated.private import BySubject
from fedpsyau_jax.federated.strategy import factored_matrices
from fedpsyau_jax.priors import Priors
from fedpsyau_jax.splits import NOBODY, Split, pad_indices
from fedpsyau_jax.types import Array, Batch, Int, Key

TRAINING = 1
"""Folded into the key of a repeat for all random numbers of its trainings; 0 is for its splits."""


@dataclass(frozen=True)
class Recipe:
    """The part of the settings that decides the compiled program.

    Attributes:
      rounds: number of rounds; of epochs, where a round is one epoch.
      local_epochs: passes over a client's examples in a round.
      batch: maximum batch size.
      schedule: of the learning rate: a warm-up of ``warmup_epochs`` in the first round, then constant; or a warm-up of
        one epoch, then a cosine down to 0.
      warmup_epochs: 0 for none.
      optimizer_state: whether the optimiser's state is reset in each round.
      proximal: squared distance, or the released sum of norms.
      slow_modules: whether the modules of ``task.SLOW_MODULES`` have lower learning rates.
      scored: which examples are scored after each round; "" for none.
      select: test the round with the best validation UF1, instead of the last.
      private: the unit that noise hides, if any.
      sampling: probability of each subject to be in a step, where subjects are hidden.
    """

    rounds: int
    batch: int
    local_epochs: int = 1
    schedule: Literal["warm-up", "cosine"] = "warm-up"
    warmup_epochs: int = 0
    optimizer_state: Literal["reset", "kept"] = "kept"
    proximal: Literal["squared", "released"] = "squared"
    slow_modules: bool = False
    scored: Literal["validation", "test", ""] = ""
    select: bool = False
    private: Literal["subject", "client", ""] = ""
    sampling: float = 1.0

    @property
    def steps_an_epoch(self) -> int:
        """Steps in which each subject is drawn once on average, where subjects are hidden."""
        return max(round(1 / self.sampling), 1)


@dataclass(frozen=True, eq=False)
class Training:
    """One training: a row of the table on one split.

    Attributes:
      row: title of the row.
      repeat: number of the repeat.
      number: index of the split in its repeat.
      stream: number of the split in the key of the training; 0 for all shifts of labs, which share random numbers.
      split: who trains, validates and tests.
      strategy: mixing and proximal factors of its clients.
      numbers: the hyperparameters that are arguments of the program.
      network: its network, with one prior.
      priors: its prior, computed for this split.
      prior_rows: examples whose annotations the prior may depend on.
      data: index of its data among those of the run.
      people: [clients][subjects] rows of the store to train on, where subjects are hidden; else None.
    """

    row: str
    repeat: int
    number: int
    stream: int
    split: Split
    strategy: Strategy
    numbers: Numbers
    network: NetworkSettings
    priors: Priors
    prior_rows: Int[np.ndarray, "rows"]
    data: int = 0
    people: tuple[tuple[Int[np.ndarray, "clips"], ...], ...] | None = None


class DetectorView(NamedTuple):
    """A pretrained detector, named by its network, as it is used with the priors of a split."""

    network: NetworkSettings
    priors: Priors


@dataclass(frozen=True, eq=False)
class Group:
    """Trainings of one shape: one compiled program trains them all.

    Where a client has several models, each is tested as a row of its own. The rows of one algorithm differ in nothing
    else, so that they share what is trained: ``num_models`` trainings in succession.

    Attributes:
      name: prefix of its files.
      recipe: how they train.
      au: whether the AU detector is frozen, finetuned or trained from scratch; "detection" if only it is trained.
      trainings: all of them.
      num_models: tested models of each client.
      distinct_priors: the distinct priors; ``prior``: index of the one of each training.
      views: the distinct detector views; ``detector``: index of the one of each training.
      factored: whether mixing matrices are factored where they can be, for clients on several devices.
    """

    name: str
    recipe: Recipe
    au: AUModule | Literal["detection"]
    trainings: tuple[Training, ...]
    num_models: int
    distinct_priors: tuple[Priors, ...]
    prior: tuple[int, ...]
    views: tuple[DetectorView, ...]
    detector: tuple[int, ...]
    factored: bool = False

    @property
    def network(self) -> NetworkSettings:
        """The network of all trainings, except for prior and ratio."""
        return self.trainings[0].network

    @property
    def num_trained(self) -> int:
        """How many are trained: those that only test another model of the same clients count once."""
        return len(self.trainings) // self.num_models

    def rows_of(self, place: int) -> tuple[Training, ...]:
        """The trainings, one for each tested model, that share what is trained at a place below ``num_trained``."""
        return self.trainings[place * self.num_models : (place + 1) * self.num_models]

    @property
    def num_clients(self) -> int:
        """Clients of each training."""
        return len(self.trainings[0].split.clients)

    @property
    def data(self) -> int:
        """Index of the data of all trainings among those of the run."""
        return self.trainings[0].data


class Arrays(NamedTuple):
    """What is trained as arrays, leaves [trainings, ...]; examples are rows of the store.

    ``key``: source of all random numbers of a training; it depends on repeat and split only, so rows share it;
    ``scored``, ``test``: held-out examples of each client; a client whose mask is all zeros does nothing.
    """

    key: Key[Array, "trainings"]
    strategy: Strategy
    train: ClientData | BySubject
    scored: Batch
    test: Batch
    numbers: Numbers
    prior: Int[Array, "trainings"]
    detector: Int[Array, "trainings"]


def group(
    name: str,
    recipe: Recipe,
    au: AUModule | Literal["detection"],
    trainings: Sequence[Training],
    num_models: int = 1,
) -> Group:
    """Group trainings of one shape, with their distinct priors and detectors; see ``Group`` for their order."""
    distinct_priors, prior = distinct([training.priors for training in trainings])
    given = name, recipe, au, tuple(trainings), num_models, tuple(distinct_priors), tuple(prior)
    if au in ("scratch", "detection"):
        return Group(*given, (), (0,) * len(trainings))
    networks = list(dict.fromkeys(training.network for training in trainings))
    places = [networks.index(training.network) for training in trainings]
    keys = [(place, kind if au == "frozen" else 0) for place, kind in zip(places, prior, strict=True)]
    distinct_keys = list(dict.fromkeys(keys))
    views = tuple(DetectorView(networks[place], distinct_priors[kind]) for place, kind in distinct_keys)
    detector = tuple(distinct_keys.index(key) for key in keys)
    return Group(*given, views, detector)


def training_key(seed: int, repeat: int, stream: int) -> Key[Array, ""]:
    """The key of a training; no two (seed, repeat, split) share one."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), repeat), TRAINING)
    return jax.random.fold_in(key, stream)


def arrays(group: Group, places: Sequence[int], size: int, shown: Int[np.ndarray, "rows"], seed: int) -> Arrays:
    """Some of what a group trains as arrays, whose shapes do not depend on which.

    Args:
      group: the group; its largest splits decide the padding.
      places: which, below the group's ``num_trained``.
      size: length of the first axis; it is padded with trainings that do nothing.
      shown: index of the example that each row of the store shows; training uses all rows of an example, validation
        and test only its first.
      seed: of the run.
    """
    filled = [*places, *[places[-1]] * (size - len(places))]
    chosen = [group.rows_of(place)[0] for place in filled]
    keys = jnp.stack([training_key(seed, one.repeat, one.stream) for one in chosen])
    ids = jnp.tile(jnp.arange(group.num_clients, dtype=jnp.int32), (size, 1))
    rows, mask = _people(group, chosen) if group.recipe.private == "subject" else _train_rows(group, chosen, shown)
    mask[len(places) :] = 0
    train = ids, jnp.asarray(rows), jnp.asarray(mask)
    together = stacked([_strategy_of(group, place) for place in range(group.num_trained)])
    scored = group.recipe.scored
    return Arrays(
        keys,
        jax.tree.map(lambda leaf: leaf[np.array(filled)], together),
        BySubject(*train) if group.recipe.private == "subject" else ClientData(*train),
        _held_out(group, chosen, scored) if scored else _no_examples(size, group.num_clients),
        _held_out(group, chosen, "test"),
        jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *[t.numbers for t in chosen]),
        jnp.array([group.prior[place * group.num_models] for place in filled], jnp.int32),
        jnp.array([group.detector[place * group.num_models] for place in filled], jnp.int32),
    )


def _strategy_of(group: Group, place: int) -> Strategy:
    """The strategy of rows that share what is trained, which tests the model of each."""
    first, *others = (one.strategy for one in group.rows_of(place))
    if others:
        first = first._replace(tested=jnp.stack([jnp.asarray(one.tested) for one in (first, *others)]))
    return factored_matrices(first) if group.factored else first


def distinct(priors: Sequence[Priors]) -> tuple[list[Priors], list[int]]:
    """The distinct priors, and the index among them of each given prior.

    >>> from fedpsyau_jax.priors import published
    >>> distinct_priors, places = distinct([published(), published()])
    >>> len(distinct_priors), places
    (1, [0, 0])
    """
    first: dict[bytes, int] = {}
    distinct_priors: list[Priors] = []
    places = []
    for prior in priors:
        content = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(prior))
        if content not in first:
            first[content] = len(distinct_priors)
            distinct_priors.append(prior)
        places.append(first[content])
    return distinct_priors, places


def rows_to_train_on(
    examples: Int[np.ndarray, "examples"], shown: Int[np.ndarray, "rows"]
) -> Int[np.ndarray, "train_rows"]:
    """All rows of the store that show one of these examples."""
    return np.flatnonzero(np.isin(shown, examples))


def _train_rows(
    group: Group, chosen: Sequence[Training], shown: Int[np.ndarray, "rows"]
) -> tuple[np.ndarray, np.ndarray]:
    rows: Mapping[int, list[np.ndarray]] = {
        id(one.split): [rows_to_train_on(client.train, shown) for client in one.split.clients]
        for one in group.trainings
    }
    longest = max(len(client) for clients in rows.values() for client in clients)
    return pad_indices([rows[id(one.split)] for one in chosen], longest)


def _people(group: Group, chosen: Sequence[Training]) -> tuple[np.ndarray, np.ndarray]:
    """[trainings, clients, subjects, clips] rows to train on, and a mask, padded to the largest of the group."""
    everybody = [subjects for one in group.trainings for subjects in one.people or ()]
    most, longest = max(map(len, everybody)), max(len(clips) for subjects in everybody for clips in subjects)
    by_client = [[[*subjects, *[NOBODY] * (most - len(subjects))] for subjects in one.people or ()] for one in chosen]
    stacked_clients = [pad_indices(clients, longest) for clients in by_client]
    rows, mask = (np.stack(leaves) for leaves in zip(*stacked_clients, strict=True))
    return rows, mask


def _held_out(group: Group, chosen: Sequence[Training], part: str) -> Batch:
    longest = max(len(getattr(client, part)) for one in group.trainings for client in one.split.clients)
    length = longest if longest <= CHUNK else longest + -longest % CHUNK
    indices, mask = pad_indices([[getattr(c, part) for c in one.split.clients] for one in chosen], length)
    return Batch(jnp.asarray(indices), jnp.asarray(mask))


def _no_examples(size: int, num_clients: int) -> Batch:
    return Batch(jnp.zeros((size, num_clients, 0), jnp.int32), jnp.zeros((size, num_clients, 0)))
