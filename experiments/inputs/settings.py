"""Settings of the training commands: frozen dataclasses with declared ranges, derived from one base.

Their docstrings are the texts of ``--help``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from experiments.inputs.algorithm_numbers import AlgorithmNumbers
from experiments.inputs.network_settings import AblatedNetworkSettings, NetworkSettings, PretrainingSettings, Variant
from experiments.inputs.privacy import PrivacySettings
from experiments.inputs.ranges import (
    AMOUNT,
    COUNT,
    FOLDS,
    POSITIVE_SHARE,
    PROPER_SHARE,
    RATE,
    SEED,
    SEVERAL,
    SHARE,
    UP_TO_HALF,
)

AUModule = Literal["frozen", "finetuned", "scratch"]
Precision = Literal["float32", "tf32", "bf16"]
DatabaseName = Literal["synthetic", "casme3", "dfme", "casme2", "samm", "smic", "mmew"]
AUDatabaseName = Literal["synthetic", "disfa", "ckplus", "casme3", "dfme", "casme2", "samm", "mmew"]
CLASSES: Mapping[str, Literal[3, 4, 7]] = {
    "synthetic": 7, "casme3": 3, "dfme": 7, "casme2": 3, "samm": 3, "smic": 3, "mmew": 7,
}  # fmt: skip
"""Default number of emotion classes of each database, by its published protocols."""
COMPOSITE = "composite2019"
"""The protocol of MEGC 2019, which has databases and clips of its own."""


@dataclass(frozen=True)
class RunSettings:
    """Settings of every training command.

    Attributes:
      sweep: Settings to vary, as name=value,value,... (for example mu=0.001,0.01 batch=16,32): every row of the table
        is trained with each combination, but only once for values that it does not depend on.
      repeats: Repetitions with other splits and initial weights.
      seed: Seed of all random numbers.
      devices: Devices to distribute clients or folds over; on a CPU, virtual devices.
      at_once: Trainings that one compiled program holds at a time; by default as many as fit into memory.
      max_memory: Gigabytes of memory that training may take; by default half of what is free. What does not fit is
        trained in parts: fewer rows and repeats at a time, and on an accelerator fewer clients.
      precision: How an accelerator rounds the factors of matrix products: float32 not at all, tf32 to 10 bits of the
        fraction, as JAX does by default, bf16 to 7. A CPU does not round.
      checkpoint_seconds: Minimum time between two checkpoints.
      network: Architecture and prior of the network.
      pretraining: How its AU detector is pretrained.
    """

    sweep: tuple[str, ...] = ()
    repeats: Annotated[int, COUNT] = 1
    seed: Annotated[int, SEED] = 0
    devices: Annotated[int, COUNT] = 1
    at_once: Annotated[int, COUNT] | None = None
    max_memory: Annotated[float, RATE] | None = None
    precision: Precision = "tf32"
    checkpoint_seconds: Annotated[float, AMOUNT] = 20.0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    pretraining: PretrainingSettings = field(default_factory=PretrainingSettings)


@dataclass(frozen=True)
class RecognitionSettings(RunSettings):
    """Settings of every command that recognises emotions.

    Attributes:
      database: Database, or several together: synthetic is rendered on first use; others are built from your copy or
        by module:function.
      config: Configuration of the database, or of several as name=CONFIGURATION,name=CONFIGURATION; dfme has all, A, B,
        C and challenge, casme3 part_a and part_c, smic hs, cropped, raw and e_hs.
      classes: Emotion classes: 3 (negative, positive, surprise), 4 (these and others) or 7 (for casme3 and mmew: with
        others, without contempt); by default 7 for synthetic, dfme and mmew, else 3, and 3 for several databases that
        differ.
      au_init: Run folder of experiments.pretrain to take the AU detector from; by default it is pretrained on other
        synthetic subjects.
      batch: Maximum batch size; all batches of an epoch have the same size.
      learning_rate: Learning rate of AdamW.
      weight_decay: Weight decay of AdamW.
      head_scale: Factor of the initial weights of the emotion classifier's last layer; 1 as published, smaller values
        learn sooner.
      gamma: Share of the AU losses in the total loss, unless the AU detector is frozen.
      augment: Add rotated copies of the rare classes to the training examples, by the published recipe.
      prior_schedule: The prior ratio is --network.prior-ratio throughout, or decays from 1 as published.
      validation_share: Share of the training examples, as whole subjects, to hold out and score after each round or
        epoch.
      select: Test the round or epoch with the best validation UF1, instead of the last one.
      keep_networks: Keep all trained networks; by default as many as fit into 60 MB, the rows in turn.
    """

    database: tuple[DatabaseName | str, ...] = ("synthetic",)
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
    keep_networks: bool = False

    @property
    def au_detector(self) -> AUModule:
        """Whether the AU detector is frozen, finetuned or trained from scratch."""
        raise NotImplementedError


@dataclass(frozen=True)
class FedSettings(RecognitionSettings):
    """Settings of ``fed``. The defaults are the preset ``quick``.

    Attributes:
      clients: Number of clients; by default 5, or one for each database, subset or lab. The subjects of a database,
        subset or lab are assigned to its clients at random, as evenly as possible.
      client_by: What a client is: some of the subjects of all databases, a database, or a subset of one (of dfme: A, B,
        C). With more clients than databases or subsets each is split among equally many clients.
      partition: How subjects are assigned to clients: even; dirichlet:0.3 (class shares differ, more for smaller
        numbers); quantity:1.5 (sizes differ, more for larger numbers); shards:2 (about so many classes each); or labs
        (each place where data were recorded is a client).
      labs: Number of synthetic labs that record the subjects, at least 2; each is a client, or several with --clients.
      lab_shift: How strongly labs differ, from 0 (as parts of one database) to 1 (about as real databases do): a number
        for all factors, or light=1,annotators=0.5 for some of camera, frame-rate, light, elicitation, population,
        annotators and subjects.
      algorithms: Rows of the table: local, fedavg, fedprox, p-fedprox, centralised (one client that holds everything);
        fedbn, fedper, fedrep, ditto, apfl, pfedme, fedala, scaffold, fedavgm, fedadam, fedyogi, feddyn, moon, fedproto,
        q-fedavg, per-fedavg (docs/algorithms.md); or your own as module:function, a function of (weights, settings)
        that returns a Strategy.
      participation: Share of the clients that take part in a round, drawn at random; the others keep everything.
      statistics: Batch statistics stay with their client, or are averaged as the weights are (FedBN keeps them).
      numbers: Numbers of algorithms.
      dp: Differential privacy of each subject or of each client as a whole, subject:EPSILON or client:EPSILON; or the
        unit alone, with --privacy.noise or a sweep over epsilon (docs/privacy.md).
      privacy: Numbers of differential privacy.
      rounds: Communication rounds.
      local_epochs: Passes of a client over its data in a round.
      warmup_epochs: Epochs of linear warm-up of the learning rate, within the first round.
      mu: Factor of the proximal term (FedProx, P-FedProx): one for all clients, or one for each.
      self_weight: Share of a client's own weights in P-FedProx's mixture.
      proximal: Proximal term: mu/2 times the squared distance to the weights received this round; or as released, a
        sum of unsquared norms, for P-FedProx to the initial weights.
      optimizer_state: Each round starts with a new optimiser state, or with the client's last one.
      train_au: Train the AU detector too, instead of keeping it frozen.
      train_share: Share of each client's subjects (or examples) to train on.
      split: No subject in both training and test; or by examples, as published.
    """

    clients: Annotated[int, COUNT] | None = None
    client_by: Literal["subject", "database", "subset"] = "subject"
    partition: str = "even"
    labs: Annotated[int, SEVERAL] | None = None
    lab_shift: str = "1"
    algorithms: tuple[str, ...] = ("local", "fedavg", "fedprox", "p-fedprox")
    participation: Annotated[float, POSITIVE_SHARE] = 1.0
    statistics: Literal["kept", "averaged"] = "kept"
    numbers: AlgorithmNumbers = field(default_factory=AlgorithmNumbers)
    dp: str = ""
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
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
    def num_clients(self) -> int | None:
        """Number of clients; None for as many as the database has subsets or places."""
        by_place = self.partition == "labs" and self.labs is None
        usual = {
            "subject": None if by_place else self.labs or 5,
            "database": len(self.database),
            "subset": None,
        }
        return usual[self.client_by] if self.clients is None else self.clients

    @property
    def au_detector(self) -> AUModule:
        """Whether the AU detector is frozen, finetuned or trained from scratch."""
        return "finetuned" if self.train_au else "frozen"


@dataclass(frozen=True)
class CrossValidationSettings(RecognitionSettings):
    """Settings of cross-validations: one training per fold, with one epoch per round.

    Attributes:
      protocol: Leave one subject out; folds of whole subjects with about equal shares of the classes; or composite2019,
        one subject out on the 442 clips of MEGC 2019 (databases smic, casme2 and samm, 3 classes).
      folds: Number of folds of kfold; loso has one per subject.
      au: The AU detector keeps its pretrained weights, is trained further, or starts untrained.
      epochs: Passes over the training examples of a fold.
      slow_modules: Use lower learning rates for transformer and graph attention, as in AU pretraining; not published.
    """

    protocol: Literal["loso", "kfold", "composite2019"] = "kfold"
    folds: Annotated[int, FOLDS] = 5
    au: AUModule = "frozen"
    epochs: Annotated[int, COUNT] = 10
    slow_modules: bool = True

    @property
    def au_detector(self) -> AUModule:
        """Whether the AU detector is frozen, finetuned or trained from scratch."""
        return self.au


@dataclass(frozen=True)
class MerSettings(CrossValidationSettings):
    """Settings of ``mer``. The defaults are the preset ``quick``."""


@dataclass(frozen=True)
class AblateSettings(CrossValidationSettings):
    """Settings of ``ablate``.

    Attributes:
      variants: Networks of the authors' ablation; the first is the reference of the differences.
    """

    variants: tuple[Variant, ...] = ("full", "global-only", "regional-only", "no-gat", "no-transformer-no-gat")
    folds: Annotated[int, FOLDS] = 2
    au: AUModule = "scratch"
    epochs: Annotated[int, COUNT] = 4
    repeats: Annotated[int, COUNT] = 2
    network: AblatedNetworkSettings = field(default_factory=AblatedNetworkSettings)


@dataclass(frozen=True)
class PretrainSettings(RunSettings):
    """Settings of ``pretrain``.

    Attributes:
      databases: Databases to train on together; an AU that a database does not label never counts.
      validation_share: Share of the subjects of each database to hold out and score the detector on.
    """

    databases: tuple[AUDatabaseName, ...] = ("synthetic",)
    validation_share: Annotated[float, PROPER_SHARE] = 0.2
