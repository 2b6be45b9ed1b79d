"""Settings of the commands that train: frozen, typed, their ranges declared; each command adds to one base."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from experiments.inputs.ranges import AMOUNT, COUNT, FOLDS, PROPER_SHARE, RATE, SEED, SHARE, UP_TO_HALF

if TYPE_CHECKING:
    from fedpsyau_jax.models.fedpsyau import Architecture

Variant = Literal["full", "global-only", "regional-only", "no-gat", "no-transformer-no-gat"]
AUModule = Literal["frozen", "finetuned", "scratch"]
DatabaseName = Literal["synthetic", "casme3", "dfme", "casme2", "samm"]
AUDatabaseName = Literal["synthetic", "disfa", "ckplus", "casme3", "dfme", "casme2", "samm"]
CLASSES: Mapping[str, Literal[3, 4, 7]] = {"synthetic": 7, "casme3": 3, "dfme": 7, "casme2": 3, "samm": 3}
"""Emotion classes of each database by its published protocols, the default."""
PRIORS = ("published", "co-occurrence", "uniform", "shuffled", "none")


@dataclass(frozen=True)
class NetworkSettings:
    """Which network.

    Attributes:
      variant: One of the authors' ablations.
      attention: What the transformer attends over: landmarks (ours), or the batch, as released.
      masking: What a node's softmax runs over: its neighbours (ours), or all nodes, as released.
      prior: Priors of action units: published, co-occurrence, uniform, shuffled, none, or your own as module:function;
        with several, every row of the table trains with each, in the one compiled program.
      prior_ratio: Strength of the prior, in [0, 1]; it is multiplied by the variant's beta.
    """

    variant: Variant = "full"
    attention: Literal["landmarks", "batch"] = "landmarks"
    masking: Literal["neighbours", "released"] = "neighbours"
    prior: Annotated[tuple[str, ...], tyro.conf.arg(prefix_name=False)] = ("published",)
    prior_ratio: Annotated[float, SHARE] = 0.3

    def architecture(self) -> "Architecture":
        """The network's choices as values."""
        from fedpsyau_jax.models.fedpsyau import VARIANTS
        from fedpsyau_jax.priors import neighbours, released

        masking = {"neighbours": neighbours, "released": released}[self.masking]
        return replace(VARIANTS[self.variant], across_batch=self.attention == "batch", masking=masking)


@dataclass(frozen=True)
class PretrainingSettings:
    """How the AU detector is pretrained, on subjects that are in no federation.

    Attributes:
      epochs: Passes over the pretraining set.
      batch: Most examples in a batch; all are of equal size.
      learning_rate: AdamW's, after a warm-up of one epoch; it decays to 0 along a cosine.
      weight_decay: AdamW's.
    """

    epochs: Annotated[int, COUNT] = 32
    batch: Annotated[int, COUNT] = 16
    learning_rate: Annotated[float, RATE] = 2e-3
    weight_decay: Annotated[float, AMOUNT] = 0.01


@dataclass(frozen=True)
class RunSettings:
    """What every command that trains has.

    Attributes:
      sweep: Settings to vary, as name=value,value,... (for example mu=0.001,0.01 batch=16,32): every row of the table
        is trained with each combination; what a row does not depend on does not multiply it.
      repeats: Repetitions with other splits and initial weights.
      seed: Of everything random.
      devices: Devices to spread clients, folds or rows over; on a CPU, virtual ones.
      at_once: Trainings that one compiled program holds at a time; by default as many as fit into memory.
      checkpoint_seconds: At least so long between two checkpoints, except after the last round or epoch.
      keep_networks: Keep all trained networks; by default as many as fit into 60 MB, the rows in turn.
      network: Which network.
      pretraining: How its AU detector is pretrained.
    """

    sweep: tuple[str, ...] = ()
    repeats: Annotated[int, COUNT] = 1
    seed: Annotated[int, SEED] = 0
    devices: Annotated[int, COUNT] = 1
    at_once: Annotated[int, COUNT] | None = None
    checkpoint_seconds: Annotated[float, AMOUNT] = 20.0
    keep_networks: bool = False
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)


@dataclass(frozen=True)
class RecognitionSettings(RunSettings):
    """What every command that recognises emotions has.

    Attributes:
      database: Which: ``synthetic`` is rendered on first use; others are made from your copy or by module:function.
      config: Configuration of the database; dfme has all, A, B, C and challenge, casme3 has part_a and part_c.
      classes: Emotion classes: 3 (negative, positive, surprise), 4 (those and others) or 7 (of casme3 with others,
        without contempt); by default 7 for synthetic and dfme, else 3.
      au_init: Folder of a run of experiments.pretrain to take the AU detector from; by default it is pretrained on
        synthetic subjects of its own.
      batch: Most examples in a batch; the batches of an epoch are of equal size.
      learning_rate: AdamW's.
      weight_decay: AdamW's.
      head_scale: Factor of the emotion classifier's initial weights; 1 as published, smaller ones learn sooner.
      gamma: Share of the AU losses in the total loss, unless the AU detector is frozen.
      augment: Add rotated copies of the rare classes to the training examples, by the published recipe.
      prior_schedule: The prior ratio is --network.prior-ratio throughout, or decays from 1 as published.
      validation_share: Share of the training examples, whole subjects, to score after each round or epoch instead.
      select: Take the round or epoch with the best validation UF1, instead of the last one.
    """

    database: DatabaseName | str = "synthetic"
    config: str | None = None
    classes: Literal[3, 4, 7] | None = None
    au_init: str | None = None
    batch: Annotated[int, COUNT] = 32
    learning_rate: Annotated[float, RATE] = 1e-3
    weight_decay: Annotated[float, AMOUNT] = 0.01
    head_scale: Annotated[float, AMOUNT] = 0.1
    gamma: Annotated[float, SHARE] = 0.8
    augment: bool = False
    prior_schedule: Literal["constant", "decay"] = "constant"
    validation_share: Annotated[float, UP_TO_HALF] = 0.0
    select: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the database is the user's own, as module:function."""
        return ":" in self.database

    @property
    def configuration(self) -> str | None:
        """The configuration of the database to load; None for its first."""
        return "federated" if self.database == "synthetic" else self.config

    @property
    def num_classes(self) -> int | None:
        """Emotion classes, as chosen or as published for the database; None for those of the data."""
        return self.classes or CLASSES.get(self.database)

    @property
    def au_detector(self) -> AUModule:
        """What becomes of the AU detector."""
        raise NotImplementedError


@dataclass(frozen=True)
class FedSettings(RecognitionSettings):
    """One federated comparison. The defaults are the preset ``quick``.

    Attributes:
      clients: Clients; subjects are dealt to them at random, equally many each.
      algorithms: Rows of the table: local, fedavg, fedprox, p-fedprox, centralised (one client that holds everything),
        or your own as module:function, a function of (weights, settings) that returns a Strategy.
      rounds: Rounds of exchange.
      local_epochs: Passes of a client over its data in a round.
      warmup_epochs: Epochs of linear warm-up of the learning rate, within the first round.
      mu: Factor of the proximal term (FedProx, P-FedProx): one for all clients, or one for each.
      self_weight: Share of a client's own weights in P-FedProx's mixture.
      proximal: Proximal term: mu/2 times the squared distance to the weights received this round; or as released, a
        sum of unsquared norms, for P-FedProx to the initial weights.
      optimizer_state: Each round starts with a new optimiser, or with the client's last one.
      train_au: Train the AU detector too, instead of freezing it as pretrained.
      train_share: Share of each client's subjects (or examples) to train on.
      split: No subject in both training and test; or by examples, as published.
    """

    clients: Annotated[int, COUNT] = 5
    algorithms: tuple[str, ...] = ("local", "fedavg", "fedprox", "p-fedprox")
    rounds: Annotated[int, COUNT] = 4
    local_epochs: Annotated[int, COUNT] = 2
    batch: Annotated[int, COUNT] = 16
    warmup_epochs: Annotated[int, AMOUNT] = 1
    mu: tuple[Annotated[float, AMOUNT], ...] = (0.01,)
    self_weight: Annotated[float, SHARE] = 0.9
    proximal: Literal["squared", "released"] = "squared"
    optimizer_state: Literal["reset", "kept"] = "reset"
    train_au: bool = False
    train_share: Annotated[float, PROPER_SHARE] = 0.7
    split: Literal["subjects", "examples"] = "subjects"
    repeats: Annotated[int, COUNT] = 5

    @property
    def au_detector(self) -> AUModule:
        """What becomes of the AU detector."""
        return "finetuned" if self.train_au else "frozen"


@dataclass(frozen=True)
class CrossValidationSettings(RecognitionSettings):
    """What cross-validations have: one training a fold, an epoch a round.

    Attributes:
      protocol: Leave one subject out, or folds of whole subjects with about equal shares of the classes.
      folds: Folds of kfold; loso has one a subject.
      au: The AU detector keeps its pretrained weights, is trained further, or starts untrained.
      epochs: Passes over the training examples of a fold.
      slow_modules: Train transformer and graph attention more slowly, as AU pretraining does; not published.
    """

    protocol: Literal["loso", "kfold"] = "kfold"
    folds: Annotated[int, FOLDS] = 5
    au: AUModule = "frozen"
    epochs: Annotated[int, COUNT] = 10
    slow_modules: bool = True

    @property
    def au_detector(self) -> AUModule:
        """What becomes of the AU detector."""
        return self.au


@dataclass(frozen=True)
class MerSettings(CrossValidationSettings):
    """One cross-validation. The defaults are the preset ``quick``."""


@dataclass(frozen=True)
class AblateSettings(CrossValidationSettings):
    """One ablation.

    Attributes:
      variants: Networks, by the authors' ablation; differences are taken to the first.
    """

    variants: tuple[Variant, ...] = ("full", "global-only", "regional-only", "no-gat", "no-transformer-no-gat")
    folds: Annotated[int, FOLDS] = 2
    au: AUModule = "scratch"
    epochs: Annotated[int, COUNT] = 4
    repeats: Annotated[int, COUNT] = 2
    network: NetworkSettings = field(default_factory=lambda: NetworkSettings(prior=PRIORS))


@dataclass(frozen=True)
class PretrainSettings(RunSettings):
    """One pretraining of AU detectors.

    Attributes:
      databases: What is trained on, together; an AU that a database does not label never counts.
      validation_share: Share of the subjects that is kept apart to score the detector on.
    """

    databases: tuple[AUDatabaseName, ...] = ("synthetic",)
    validation_share: Annotated[float, PROPER_SHARE] = 0.2
