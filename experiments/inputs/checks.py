"""Refuse settings that cannot be run: values out of range and contradictory combinations. One sentence each."""

from data.labels import class_names
from experiments.inputs import algorithms
from experiments.inputs.configurations import configurations_by_name
from experiments.inputs.labs import check_labs
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.partitions import LABS, parse_partition
from experiments.inputs.plugins import refuse_unknown
from experiments.inputs.prior_names import check_priors
from experiments.inputs.privacy import check_privacy
from experiments.inputs.ranges import check_once, check_ranges
from experiments.inputs.settings import (
    CLASSES,
    COMPOSITE,
    AblateSettings,
    CrossValidationSettings,
    FedSettings,
    MerSettings,
    PretrainSettings,
    RecognitionSettings,
    RunSettings,
)
from experiments.inputs.sweep import SWEPT_OF_PRIVACY, points

TRAIN_AU = {True: "--train-au", False: "--au=finetuned"}
"""The option that trains the AU detector, of a federation (True) or of a cross-validation."""


def check_fed(settings: FedSettings) -> None:
    """Refuse settings of ``fed`` that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    check_ranges(settings)
    _check_recognition(settings)
    check_once("--algorithms", settings.algorithms, "algorithm")
    for name in settings.algorithms:
        algorithms.algorithm(name)
    check_labs(settings)
    _check_clients(settings)
    _check_phases(settings)
    _check_sweep(settings)
    for _, point in points(settings):
        check_privacy(point)


def check_num_mu(settings: FedSettings, num_clients: int) -> None:
    """Refuse another number of proximal factors than one, or one for each client.

    Raises:
      ValueError: how many there are.
    """
    if len(settings.mu) not in (1, num_clients):
        raise ValueError(
            f"--mu {' '.join(map(str, settings.mu))}: give one number for all clients or one for each of the "
            f"{num_clients}, none below 0"
        )


def check_mer(settings: MerSettings) -> None:
    """Refuse settings of ``mer`` that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    check_ranges(settings)
    _check_cross_validation(settings)
    _check_sweep(settings)


def check_ablate(settings: AblateSettings) -> None:
    """Refuse settings of ``ablate`` that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    check_once("--variants", settings.variants, "variant")
    check_ranges(settings)
    if (variant := settings.network.variant) != NetworkSettings().variant:
        raise ValueError(f"--network.variant={variant}: an ablation takes its networks as --variants")
    if settings.au == "frozen":
        raise ValueError(
            "--au=frozen: priors act inside the AU module, which must be trained: choose scratch or finetuned"
        )
    _check_cross_validation(settings)
    _check_sweep(settings)


def check_pretrain(settings: PretrainSettings) -> None:
    """Refuse settings of ``pretrain`` that cannot be run.

    Raises:
      ValueError: which option, its value, what is allowed.
    """
    check_once("--databases", settings.databases, "database")
    check_ranges(settings)
    check_priors(settings.network)
    _check_sweep(settings)


def _check_phases(settings: FedSettings) -> None:
    epochs = settings.numbers.head_epochs
    if "fedrep" in settings.algorithms and epochs >= settings.local_epochs:
        raise ValueError(
            f"--numbers.head-epochs={epochs}: FedRep trains the head in so many of the --local-epochs="
            f"{settings.local_epochs} and the rest in those that are left, of which there must be one"
        )


def _check_cross_validation(settings: CrossValidationSettings) -> None:
    _check_recognition(settings)
    if settings.protocol == COMPOSITE:
        _check_composite(settings)
    if settings.au == "scratch" and settings.au_init:
        raise ValueError(
            f"--au-init={settings.au_init}: with --au=scratch the AU module starts untrained; leave one out"
        )


def _check_composite(settings: CrossValidationSettings) -> None:
    from data.protocols import COMPOSITE2019

    if set(settings.database) != set(COMPOSITE2019):
        raise ValueError(
            f"--protocol={COMPOSITE}: it is on {' '.join(COMPOSITE2019)}, not on {' '.join(settings.database)}; leave "
            "--database out"
        )
    if settings.classes not in (None, 3):
        raise ValueError(f"--classes={settings.classes}: {COMPOSITE} has 3 classes; leave it out")


def _check_recognition(settings: RecognitionSettings) -> None:
    check_priors(settings.network)
    _check_database(settings)
    _check_augmentation(settings)
    if settings.select and not settings.validation_share:
        raise ValueError("--select chooses by validation scores: add, for example, --validation-share=0.2")
    _check_schedule(settings)


def _check_schedule(settings: RecognitionSettings) -> None:
    if settings.au_detector == "frozen" and settings.prior_schedule == "decay":
        raise ValueError(
            "--prior-schedule=decay: a frozen AU module keeps the prior ratio it was trained with; add "
            f"{TRAIN_AU[isinstance(settings, FedSettings)]}"
        )


def _check_clients(settings: FedSettings) -> None:
    parse_partition(settings.partition)
    if settings.partition == LABS and settings.client_by != "subject":
        raise ValueError(f"--partition=labs makes places clients: leave out --client-by={settings.client_by}")
    number, count = settings.num_clients, len(settings.database)
    if settings.client_by == "database":
        if count == 1:
            raise ValueError(
                f"--client-by=database: {settings.database[0]} is the only one; name several with --database, or "
                "choose --client-by=subject"
            )
        if number is None or number % count:
            raise ValueError(
                f"--clients={number}: each of the {count} databases is split among equally many clients, so give a "
                f"multiple of {count}"
            )
    if number is not None:
        check_num_mu(settings, number)


def _check_database(settings: RecognitionSettings) -> None:
    check_once("--database", settings.database, "database")
    for name in settings.database:
        refuse_unknown("--database", name, CLASSES)
    configurations_by_name(settings.config, settings.database)


def _check_augmentation(settings: RecognitionSettings) -> None:
    if settings.augment and any("others" in names for names in _class_lists(settings)):
        raise ValueError(
            f"--augment: the published recipe names the rare ones of 3 or of the usual 7 classes, and --classes="
            f"{settings.classes} of {' '.join(settings.database)} are others; add --no-augment"
        )


def _class_lists(settings: RecognitionSettings) -> list[tuple[str, ...]]:
    """The classes of each database whose number is known; several without a choice have 3 unless they agree."""
    if settings.classes is None and len(settings.database) > 1:
        return []
    numbers = {name: settings.classes or CLASSES.get(name) for name in settings.database}
    return [class_names(number, name) for name, number in numbers.items() if number]


def _check_sweep(settings: RunSettings) -> None:
    """Refuse unknown names and invalid values in a sweep, and swept settings that affect no row."""
    swept = points(settings)
    for texts, point in swept if settings.sweep else []:
        for option in texts:
            if why := _no_difference(option, point):
                raise ValueError(f"--sweep {option}: {why}; leave it out")
        _check_point(point)


def _check_point(settings: RunSettings) -> None:
    """Refuse a combination of swept values that contradicts other settings."""
    check_priors(settings.network)
    if isinstance(settings, RecognitionSettings):
        _check_schedule(settings)
        _check_augmentation(settings)
    if isinstance(settings, CrossValidationSettings) and settings.protocol == COMPOSITE:
        _check_composite(settings)
    if isinstance(settings, FedSettings):
        _check_phases(settings)
        check_labs(settings)
        _check_clients(settings)


def _no_difference(option: str, settings: RunSettings) -> str:
    """Why a setting affects no row; empty if it affects one."""
    if isinstance(settings, FedSettings):
        name = option.replace("-", "_")
        if name in algorithms.ALGORITHM_SETTINGS and not any(
            name in algorithms.depends_on(one) for one in settings.algorithms
        ):
            return f"none of --algorithms {' '.join(settings.algorithms)} depends on it"
        if name in SWEPT_OF_PRIVACY and not settings.dp:
            return "nothing is private without --dp"
        if option == "sampling" and settings.dp == "client":
            return "only subjects are sampled, so that it makes no difference to --dp=client"
        if option == "lab-shift" and settings.labs is None:
            return "there are no labs to differ (--labs=3 makes some)"
    if isinstance(settings, RecognitionSettings):
        if option == "gamma" and settings.au_detector == "frozen":
            return "a frozen AU detector has no AU loss to weigh, so that it makes no difference"
        if option == "prior-ratio" and settings.prior_schedule == "decay":
            return "--prior-schedule=decay sets the prior ratio of every round, so that it makes no difference"
    return ""
