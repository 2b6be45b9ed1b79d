"""``--sweep name=value,value``: every combination once, and one sentence for what cannot be varied."""

from dataclasses import replace
from typing import Any

import pytest

from experiments.inputs.checks import check_ablate, check_fed, check_mer, check_pretrain
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import AblateSettings, FedSettings, MerSettings, PretrainSettings, RunSettings
from experiments.inputs.sweep import points, sweepable

CHECKS: dict[type, Any] = {
    FedSettings: check_fed,
    MerSettings: check_mer,
    AblateSettings: check_ablate,
    PretrainSettings: check_pretrain,
}


def test_without_a_sweep_there_is_one_point() -> None:
    assert points(FedSettings()) == [({}, FedSettings())]


def test_every_combination_is_a_point_the_first_option_slowest() -> None:
    found = points(FedSettings(sweep=("mu=0.001,1e-2", "--self-weight=0.5,1")))
    assert [text for text, _ in found] == [
        {"mu": "0.001", "self-weight": "0.5"},
        {"mu": "0.001", "self-weight": "1"},
        {"mu": "1e-2", "self-weight": "0.5"},
        {"mu": "1e-2", "self-weight": "1"},
    ]
    assert [(one.mu, one.self_weight) for _, one in found] == [
        ((0.001,), 0.5),
        ((0.001,), 1.0),
        ((0.01,), 0.5),
        ((0.01,), 1.0),
    ]
    assert all(one.sweep == () for _, one in found)


@pytest.mark.parametrize(
    ("settings", "name"),
    [(settings, name) for settings in (kind() for kind in CHECKS) for name in sweepable(settings)],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_all_that_can_be_varied_takes_its_own_value(settings: RunSettings, name: str) -> None:
    owner: Any = settings
    for part in sweepable(settings)[name]:
        owner = getattr(owner, part)
    value = owner[0] if isinstance(owner, tuple) else owner
    if value is None:  # left to the data
        value, settings = 3, replace(settings, **{sweepable(settings)[name][0]: 3})
    ((text, point),) = points(type(settings)(sweep=(f"{name}={value}",)))
    assert text == {name: str(value)}
    assert point == settings


def test_nested_settings_are_named_with_or_without_their_group() -> None:
    (_, one), (_, other) = (
        points(FedSettings(sweep=(f"{name}=0.7",)))[0] for name in ("prior-ratio", "network.prior_ratio")
    )
    assert one == other
    assert one.network.prior_ratio == 0.7
    ((_, pretraining),) = points(PretrainSettings(sweep=("pretraining.batch=8",)))
    assert pretraining.pretraining.batch == 8


CHANGEABLE = "what can be varied is"
MISTAKES: dict[str, tuple[RunSettings, str]] = {
    "no value": (FedSettings(sweep=("mu",)), r"--sweep mu: write name=value,value,\.\.\. for example"),
    "an empty value": (FedSettings(sweep=("mu=1,,2",)), r"--sweep mu=1,,2: write name=value"),
    "a near name": (
        FedSettings(sweep=("learning-rat=1",)),
        r"did you mean learning-rate\? " + CHANGEABLE + " mu, self",
    ),
    "seeds": (MerSettings(sweep=("seed=0,1",)), r"--sweep seed=0,1: seed cannot be varied; --repeats=N trains with"),
    "clients of a cross-validation": (MerSettings(sweep=("clients=2,5",)), r"--sweep clients=2,5: .*" + CHANGEABLE),
    "no such classes": (FedSettings(sweep=("classes=3,5",)), r"--sweep classes=3,5: 5: choose one of 3, 4, 7$"),
    "no clients": (FedSettings(sweep=("clients=0,2",)), r"--sweep clients=0,2: clients=0: it must be at least 1$"),
    "factors of other clients": (FedSettings(sweep=("clients=2,3",), clients=2, mu=(0.1, 0.2)), r"each of the 3, none"),
    "clients of labs": (FedSettings(sweep=("clients=3,4",), clients=3, labs=3), r"^--clients=4: .* a multiple of 3"),
    "classes without a recipe": (
        MerSettings(sweep=("classes=3,4",), augment=True),
        r"--classes=4 of synthetic are oth",
    ),
    "classes of a protocol": (
        MerSettings(sweep=("classes=3,7",), protocol="composite2019", database=("smic", "casme2", "samm")),
        r"^--classes=7: composite2019 has 3 classes; leave it out$",
    ),
    "what another command has": (MerSettings(sweep=("mu=1",)), r"--sweep mu=1: .*" + CHANGEABLE + " learning-rate"),
    "the networks of an ablation": (AblateSettings(sweep=("variant=full",)), r"--sweep variant=full: " + CHANGEABLE),
    "text": (FedSettings(sweep=("mu=0.1,x",)), r"--sweep mu=0.1,x: x is not a number$"),
    "a fraction": (FedSettings(sweep=("batch=1.5",)), r"--sweep batch=1.5: 1.5 is not a whole number$"),
    "no choice": (FedSettings(sweep=("proximal=round",)), r"round: choose one of squared, released$"),
    "out of range": (FedSettings(sweep=("mu=1,-1",)), r"--sweep mu=1,-1: mu=-1.0: it must be at least 0, and finite$"),
    "a nested value": (MerSettings(sweep=("prior-ratio=2",)), r"network.prior-ratio=2.0: it must be between 0 and 1$"),
    "a value twice": (FedSettings(sweep=("mu=1,1.0",)), r"--sweep mu=1,1.0: name each value once$"),
    "a name twice": (
        FedSettings(sweep=("mu=1", "mu=2")),
        r"--sweep: mu is named twice; give all of its values at once",
    ),
    "a frozen detector's loss": (
        FedSettings(sweep=("gamma=0.1,1",)),
        r"--sweep gamma: a frozen AU detector has no AU lo",
    ),
    "a frozen module's loss": (
        MerSettings(sweep=("gamma=0.1,1",)),
        r"--sweep gamma: .*makes no difference; leave it out",
    ),
    "mu without a proximal term": (
        FedSettings(sweep=("mu=1,2",), algorithms=("local", "fedavg")),
        r"--sweep mu: none of --algorithms local fedavg depends on it; leave it out$",
    ),
    "the ratio of a schedule": (
        MerSettings(sweep=("prior-ratio=0,1",), au="finetuned", prior_schedule="decay"),
        r"--sweep prior-ratio: --prior-schedule=decay sets the prior ratio",
    ),
    "a schedule of a frozen module": (FedSettings(sweep=("prior-schedule=constant,decay",)), r"add --train-au$"),
    "networks without graph attention": (
        MerSettings(sweep=("variant=full,no-gat",), network=NetworkSettings(prior=("published", "none"))),
        r"no-gat has no graph attention",
    ),
}


@pytest.mark.parametrize(("settings", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(settings: RunSettings, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        CHECKS[type(settings)](settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        FedSettings(sweep=("mu=0,1", "batch=8,16"), algorithms=("local", "fedprox")),
        FedSettings(sweep=("gamma=0.1,1", "prior-schedule=constant,decay"), train_au=True),
        FedSettings(sweep=("mu=0,1",), algorithms=("test_sweep_settings:own",)),
        MerSettings(sweep=("gamma=0,1",), au="scratch"),
        AblateSettings(sweep=("head-scale=0.1,1", "epochs=1,2")),
        PretrainSettings(sweep=("learning-rate=1e-3,2e-3", "variant=full,no-gat")),
    ],
)
def test_sweeps_that_make_sense_can_be_run(settings: RunSettings) -> None:
    CHECKS[type(settings)](settings)


def own(weights: Any, settings: FedSettings) -> None:
    """An algorithm of the user's own may depend on anything."""
