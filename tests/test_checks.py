"""Settings that cannot be run are refused in one sentence, by whichever command they are of."""

from collections.abc import Callable
from typing import Any

import pytest

from experiments.inputs import checks
from experiments.inputs.network_settings import NetworkSettings, PretrainingSettings
from experiments.inputs.presets import FED_PRESETS, MER_PRESETS
from experiments.inputs.settings import AblateSettings, FedSettings, MerSettings, PretrainSettings


def fed(**choices: Any) -> None:
    checks.check_fed(FedSettings(**choices))


def mer(**choices: Any) -> None:
    checks.check_mer(MerSettings(**choices))


def ablate(**choices: Any) -> None:
    checks.check_ablate(AblateSettings(**choices))


def pretrain(**choices: Any) -> None:
    checks.check_pretrain(PretrainSettings(**choices))


def network(**choices: Any) -> dict[str, Any]:
    return {"network": NetworkSettings(**choices)}


NO_ATTENTION = r"no-gat has no graph attention, so that priors make no difference; give one$"
MISTAKES: dict[str, tuple[Callable[..., None], dict[str, Any], str]] = {
    "rare of 4 classes": (mer, {"augment": True, "classes": 4}, r"--augment: .* --classes=4 of .*; add --no-augment$"),
    "rare of others": (
        mer,
        {"augment": True, "database": ("samm", "casme3"), "classes": 7},
        r"--augment: .* of samm casme3 are others; add --no-augment$",
    ),
    "no rounds": (fed, {"rounds": 0}, r"--rounds=0: it must be at least 1"),
    "infinite rate": (fed, {"learning_rate": float("inf")}, r"--learning-rate=inf: it must be greater than 0, and fin"),
    "negative decay": (fed, {"weight_decay": -1.0}, r"--weight-decay=-1.0: it must be at least 0"),
    "undefined scale": (fed, {"head_scale": float("nan")}, r"--head-scale=nan: it must be at least 0"),
    "negative seed": (fed, {"seed": -1}, r"--seed=-1: it must be at least 0, and below 2147483648"),
    "negative mu": (fed, {"mu": (0.1, -1.0), "clients": 2}, r"--mu=-1.0: it must be at least 0"),
    "bad mu count": (fed, {"clients": 3, "mu": (0.1, 0.2)}, r"--mu 0.1 0.2: .* each of the 3, none below 0"),
    "no mu": (fed, {"mu": ()}, r"--mu : give one number for all clients"),
    "no algorithms": (fed, {"algorithms": ()}, r"--algorithms : name each algorithm once, and at least one"),
    "an algorithm twice": (fed, {"algorithms": ("local", "local")}, r"--algorithms local local: name each algorithm"),
    "an unknown algorithm": (fed, {"algorithms": ("fedagv",)}, r"--algorithms=fedagv: did you mean fedavg\? there are"),
    "train share": (fed, {"train_share": 1.0}, r"--train-share=1.0: it must be between 0 and 1, both excluded"),
    "fed selects without validation": (fed, {"select": True}, r"--select chooses .* add, for example, --validation-sh"),
    "fed decays a frozen detector's prior": (
        fed,
        {"prior_schedule": "decay"},
        r"--prior-schedule=decay: .*--train-au$",
    ),
    "an unknown database": (fed, {"database": ("casme4",)}, r"--database=casme4: did you mean casme3\? there are "),
    "no configuration": (mer, {"config": "A"}, r"--config=A: the database synthetic has none to choose; leave it out"),
    "the same database twice": (
        fed,
        {"database": ("samm",) * 2},
        r"--database samm samm: name each database once, and",
    ),
    "no database": (mer, {"database": ()}, r"--database : name each database once, and at least one"),
    "a configuration of several": (
        mer,
        {"database": ("dfme", "samm"), "config": "A"},
        r"--config=A: of several databases write name=CONFIGURATION, .*; the databases are dfme, samm",
    ),
    "a configuration of another": (
        mer,
        {"database": ("dfme", "samm"), "config": "dfme=A,smic=hs"},
        r"--config=dfme=A,smic=hs: of several databases write name=CONFIGURATION",
    ),
    "a configuration that none has": (
        mer,
        {"database": ("dfme", "samm"), "config": "dfme=D"},
        r"no database dfme/D; there are .*dfme/A, ",
    ),
    "a client for one database": (
        fed,
        {"client_by": "database"},
        r"--client-by=database: synthetic is the only one; name several with --database, or choose",
    ),
    "clients that cannot share": (
        fed,
        {"client_by": "database", "database": ("samm", "casme2", "casme3"), "clients": 5},
        r"--clients=5: each of the 3 databases is split among equally many clients, so give a multiple of 3",
    ),
    "bad mu count for databases": (
        fed,
        {"client_by": "database", "database": ("samm", "casme2", "casme3"), "mu": (0.1, 0.2)},
        r"--mu 0.1 0.2: give one number .* each of the 3, none below 0",
    ),
    "another composite": (
        mer,
        {"protocol": "composite2019", "database": ("samm", "casme2")},
        r"--protocol=composite2019: it is on smic casme2 samm, not on samm casme2; leave --database out",
    ),
    "classes of the composite": (
        mer,
        {"protocol": "composite2019", "database": ("smic", "casme2", "samm"), "classes": 4},
        r"--classes=4: composite2019 has 3 classes; leave it out",
    ),
    "no epochs": (mer, {"epochs": 0}, r"--epochs=0: it must be at least 1"),
    "one fold": (mer, {"folds": 1}, r"--folds=1: it must be at least 2"),
    "no training at once": (mer, {"at_once": 0}, r"--at-once=0: it must be at least 1"),
    "a seed of too many digits": (mer, {"seed": 2**32}, r"--seed=4294967296: it must be .* below 2147483648"),
    "selection without validation": (mer, {"select": True}, r"add, for example, --validation-share=0.2"),
    "most is validation": (mer, {"validation_share": 0.6}, r"--validation-share=0.6: it must be between 0 and 0.5"),
    "decay of a frozen module": (mer, {"prior_schedule": "decay"}, r"prior ratio it was trained with; add --au=finetu"),
    "priors where none acts": (mer, network(prior=("uniform", "none"), variant="no-gat"), NO_ATTENTION),
    "a prior twice": (mer, network(prior=("uniform", "uniform")), r"--prior uniform uniform: name each prior once"),
    "no such prior": (mer, network(prior=("publishd",)), r"--prior=publishd: did you mean published\? there are"),
    "no pretraining epochs": (mer, {"pretraining": PretrainingSettings(epochs=0)}, r"--pretraining.epochs=0: it must"),
    "no pretraining batch": (mer, {"pretraining": PretrainingSettings(batch=0)}, r"--pretraining.batch=0: it must be"),
    "scratch from a detector": (mer, {"au": "scratch", "au_init": "x"}, r"--au-init=x: with --au=scratch .* leave one"),
    "ablation of a frozen module": (ablate, {"au": "frozen"}, r"--au=frozen: .*choose scratch or finetuned"),
    "ablation with an unknown prior": (ablate, network(prior=("uniform", "non")), r"--prior=non: did you mean none\?"),
    "ablation's network": (
        ablate,
        network(variant="no-gat"),
        r"--network.variant=no-gat: .*its networks as --variants",
    ),
    "ablation without priors": (ablate, network(prior=()), r"--prior : name each prior once, and at least one"),
    "ablation without networks": (ablate, {"variants": ()}, r"--variants : name each variant once, and at least one"),
    "ablation with an impossible seed": (ablate, {"seed": -1}, r"--seed=-1: it must be at least 0"),
    "ablation that grows weights": (ablate, {"weight_decay": -1.0}, r"--weight-decay=-1.0: it must be at least 0"),
    "pretraining beyond the prior": (pretrain, network(prior_ratio=2.0), r"--network.prior-ratio=2.0: it must be betw"),
    "a database twice": (pretrain, {"databases": ("disfa",) * 2}, r"--databases disfa disfa: name each database once"),
    "no validation": (pretrain, {"validation_share": 0.0}, r"--validation-share=0.0: it must be .* both excluded"),
    "no repeats": (pretrain, {"repeats": 0}, r"--repeats=0: it must be at least 1"),
}


@pytest.mark.parametrize(("check", "choices", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(check: Callable[..., None], choices: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        check(**choices)
    assert "\n" not in str(caught.value)


def test_presets_and_defaults_can_be_run() -> None:
    for federation in FED_PRESETS.values():
        checks.check_fed(federation)
    for recognition in MER_PRESETS.values():
        checks.check_mer(recognition)
    ablate()
    pretrain()


def test_combinations_that_make_sense_can_be_run() -> None:
    fed(train_au=True, prior_schedule="decay", select=True, validation_share=0.2)
    fed(clients=4, devices=2, mu=(0.0, 0.1, 0.2, 0.3), algorithms=("centralised", "fed_on_random_data:own_dataset"))
    mer(au="finetuned", prior_schedule="decay", network=NetworkSettings(prior=("uniform",), variant="no-gat"))
