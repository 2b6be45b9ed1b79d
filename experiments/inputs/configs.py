"""Settings of the experiments: frozen, typed, with their presets; strings end in the tables of this file."""

from dataclasses import dataclass, field
from math import inf
from typing import Annotated, Literal, Protocol

import tyro

from experiments.inputs.database_choice import DatabaseChoice, check_database
from experiments.inputs.priors import prior_named
from fedpsyau_jax.models.fedpsyau import VARIANTS, Architecture
from fedpsyau_jax.priors import neighbours, released

AlgorithmName = Literal["local", "fedavg", "fedprox", "p-fedprox", "centralised"]
TITLES = {
    "local": "Local only",
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "p-fedprox": "P-FedProx",
    "centralised": "Centralised",
}
MASKINGS = {"neighbours": neighbours, "released": released}
SEEDS = 2**31
"""So many seeds are told apart by all random generators, with a repeat added."""


@dataclass(frozen=True)
class NetworkSettings:
    """Which network, by the names of the tables above.

    Attributes:
      variant: One of the authors' ablations.
      attention: What the transformer attends over: landmarks (ours), or the batch, as released.
      masking: What a node's softmax runs over: its neighbours (ours), or all nodes, as released.
      prior: Priors of action units: published, co-occurrence, uniform, shuffled, none, or your own as module:function;
        with several, every algorithm trains with each, in the one compiled program.
      prior_ratio: Strength of the prior, in [0, 1]; it is multiplied by the variant's beta.
    """

    variant: Literal["full", "global-only", "regional-only", "no-gat", "no-transformer-no-gat"] = "full"
    attention: Literal["landmarks", "batch"] = "landmarks"
    masking: Literal["neighbours", "released"] = "neighbours"
    prior: Annotated[tuple[str, ...], tyro.conf.arg(prefix_name=False)] = ("published",)
    prior_ratio: float = 0.3

    def architecture(self) -> Architecture:
        """The network's choices as values."""
        chosen = VARIANTS[self.variant]
        return Architecture(
            chosen.transformer,
            chosen.regional,
            chosen.global_,
            chosen.beta,
            across_batch=self.attention == "batch",
            masking=MASKINGS[self.masking],
        )


@dataclass(frozen=True)
class PretrainingSettings:
    """How the AU detector is pretrained, on subjects that are in no federation.

    Attributes:
      epochs: Passes over the pretraining set.
      batch: Most examples in a batch; all are of equal size.
      learning_rate: AdamW's, after a warm-up of one epoch; it decays to 0 along a cosine.
      weight_decay: AdamW's.
    """

    epochs: int = 32
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.01


@dataclass(frozen=True)
class FedSettings(DatabaseChoice):
    """One federated comparison. The defaults are the preset ``quick``.

    Attributes:
      clients: Clients; subjects are dealt to them at random, equally many each.
      algorithms: Rows of the table; all of them train in one compiled program, except ``centralised``, one client
        that holds everything, whose data has another shape.
      rounds: Rounds of exchange.
      local_epochs: Passes of a client over its data in a round.
      batch: Most examples in a batch; the batches of an epoch are of equal size.
      learning_rate: AdamW's, after the warm-up.
      warmup_epochs: Epochs of linear warm-up, within the first round.
      weight_decay: AdamW's.
      mu: Factor of the proximal term (FedProx, P-FedProx): one for all clients, or one for each.
      self_weight: Share of a client's own weights in P-FedProx's mixture.
      proximal: Proximal term: mu/2 times the squared distance to the weights received this round; or as released, a
        sum of unsquared norms, for P-FedProx to the initial weights.
      head_scale: Factor of the emotion classifier's initial weights; 1 as published, smaller ones learn sooner.
      optimizer_state: Each round starts with a new optimiser, or with the client's last one.
      au_init: Folder of a run of experiments.pretrain to take the AU detector from; by default it is pretrained on
        synthetic subjects of its own.
      train_au: Train the AU detector too, instead of freezing it as pretrained.
      gamma: Share of the AU losses in the total loss; counts with --train-au only.
      train_share: Share of each client's subjects (or examples) to train on.
      split: No subject in both training and test; or by examples, as published.
      repeats: Repetitions with other splits and initial weights.
      seed: Of everything random.
      devices: Devices to spread the clients over; on a CPU, virtual ones.
      checkpoint_seconds: At least so long between two checkpoints, except after the first and the last round.
      network: Which network.
      pretraining: How its AU detector is pretrained.
    """

    clients: int = 5
    algorithms: tuple[AlgorithmName, ...] = ("local", "fedavg", "fedprox", "p-fedprox")
    rounds: int = 4
    local_epochs: int = 2
    batch: int = 16
    learning_rate: float = 1e-3
    warmup_epochs: int = 1
    weight_decay: float = 0.01
    mu: tuple[float, ...] = (0.01,)
    self_weight: float = 0.9
    proximal: Literal["squared", "released"] = "squared"
    head_scale: float = 0.1
    optimizer_state: Literal["reset", "kept"] = "reset"
    au_init: str | None = None
    train_au: bool = False
    gamma: float = 0.8
    train_share: float = 0.7
    split: Literal["subjects", "examples"] = "subjects"
    repeats: int = 2
    seed: int = 0
    devices: int = 1
    checkpoint_seconds: float = 20.0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)


PRESETS = {
    "quick": FedSettings(),
    "paper": FedSettings(
        rounds=40, local_epochs=50, batch=32, repeats=10, learning_rate=1e-5, warmup_epochs=10, head_scale=1.0
    ),
}


def check(settings: FedSettings) -> None:
    """Refuse settings that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    for name in ("clients", "rounds", "local_epochs", "batch", "repeats", "devices"):
        if (value := getattr(settings, name)) < 1:
            raise ValueError(f"--{name.replace('_', '-')}={value}: it must be at least 1")
    for name in ("self_weight", "gamma"):
        if not 0 <= (value := getattr(settings, name)) <= 1:
            raise ValueError(f"--{name.replace('_', '-')}={value}: it must be between 0 and 1")
    check_common(settings.seed, settings.network)
    check_pretraining(settings.pretraining)
    check_database(settings)
    if not 0 < settings.train_share < 1:
        raise ValueError(f"--train-share={settings.train_share}: it must be between 0 and 1, both excluded")
    check_step(settings)
    for name in ("warmup_epochs", "head_scale", "checkpoint_seconds"):
        check_amount(f"--{name.replace('_', '-')}", getattr(settings, name))
    if not settings.algorithms or len(set(settings.algorithms)) < len(settings.algorithms):
        raise ValueError(f"--algorithms {' '.join(settings.algorithms)}: name each algorithm once, and at least one")
    check_priors_of(settings.network)
    if len(settings.mu) not in (1, settings.clients) or not all(0 <= mu < inf for mu in settings.mu):
        raise ValueError(
            f"--mu {' '.join(map(str, settings.mu))}: give one number for all clients or one for each of the "
            f"{settings.clients}, none below 0"
        )
    if settings.clients % settings.devices:
        raise ValueError(
            f"--devices={settings.devices} does not divide --clients={settings.clients}: each device takes equally "
            "many clients"
        )


def check_pretraining(choices: PretrainingSettings) -> None:
    """Refuse a pretraining that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    for name in ("epochs", "batch"):
        if (value := getattr(choices, name)) < 1:
            raise ValueError(f"--pretraining.{name}={value}: it must be at least 1")
    check_step(choices, "pretraining.")


class Step(Protocol):
    """Settings that say how large a step of training is."""

    @property
    def learning_rate(self) -> float:
        """AdamW's."""

    @property
    def weight_decay(self) -> float:
        """AdamW's."""


def check_step(choices: Step, prefix: str = "") -> None:
    """Refuse a learning rate or weight decay that is no number to train with; a ValueError says which."""
    if not 0 < choices.learning_rate < inf:
        raise ValueError(f"--{prefix}learning-rate={choices.learning_rate}: it must be greater than 0, and finite")
    check_amount(f"--{prefix}weight-decay", choices.weight_decay)


def check_amount(option: str, value: float) -> None:
    """Refuse an amount that is negative or no number; a ValueError says which."""
    if not 0 <= value < inf:
        raise ValueError(f"{option}={value}: it must be at least 0, and finite")


def check_common(seed: int, network: NetworkSettings) -> None:
    """Refuse a seed that random generators refuse, and a prior ratio that is no share; a ValueError says which."""
    if not 0 <= seed < SEEDS:
        raise ValueError(f"--seed={seed}: it must be at least 0, and below {SEEDS}")
    if not 0 <= network.prior_ratio <= 1:
        raise ValueError(f"--network.prior-ratio={network.prior_ratio}: it must be between 0 and 1")


def check_priors_of(network: NetworkSettings) -> None:
    """Refuse a value of ``--prior`` that names no prior, or one twice; or several where none acts.

    Raises:
      ValueError: which name, and what there is; or which network.
    """
    check_priors_named(network.prior)
    architecture = network.architecture()
    if len(network.prior) > 1 and not (architecture.regional or architecture.global_):
        raise ValueError(
            f"--prior {' '.join(network.prior)}: --network.variant={network.variant} has no graph attention, so that "
            "priors make no difference; give one"
        )


def check_priors_named(names: tuple[str, ...]) -> None:
    """Refuse a value of ``--prior`` that names no prior, or one twice.

    Raises:
      ValueError: which name, and what there is.
    """
    if not names or len(set(names)) < len(names):
        raise ValueError(f"--prior {' '.join(names)}: name each prior once, and at least one")
    for name in names:
        prior_named(name)
