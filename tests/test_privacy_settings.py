"""--dp on the command line: what determines the noise, what would pass beside it, and one sentence for each mistake."""

import doctest
import re
import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import tyro

from experiments.fed import FED
from experiments.inputs.algorithm_numbers import AlgorithmNumbers
from experiments.inputs.checks import check_fed
from experiments.inputs.completion import complete_fed
from experiments.inputs.presets import FED_PRESETS
from experiments.inputs.privacy import LEAKS, PrivacySettings, refuse_functions
from experiments.inputs.settings import FedSettings
from experiments.inputs.sweep import points
from experiments.run.lifecycle import options_of
from fedpsyau_jax.federated.private import accountant

PAGE = (Path(__file__).parents[1] / "docs" / "privacy.md").read_text()
COMMANDS = re.findall(r"^python -m experiments\.fed (.*)$", PAGE, re.MULTILINE)
Options = options_of(FED)


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked here needs no accountant."""
    monkeypatch.setattr(accountant, "find_spec", lambda name: True)


def private(dp: str = "subject:8", **more: Any) -> FedSettings:
    return complete_fed(FedSettings(dp=dp, **more))


def test_the_epsilon_of_dp_is_that_of_the_numbers() -> None:
    completed = private("client:2.5")
    assert (completed.dp, completed.privacy) == ("client", PrivacySettings(epsilon=2.5))
    check_fed(completed)
    check_fed(private("subject", privacy=PrivacySettings(noise=1.5)))
    check_fed(private("subject", sweep=("epsilon=2,inf", "clip=0.5,1")))
    assert complete_fed(completed) == completed


def test_numbers_are_swept() -> None:
    found = points(private("subject", sweep=("epsilon=2,inf",)))
    assert [point.privacy.epsilon for _, point in found] == [2, float("inf")]
    assert [text for text, _ in found] == [{"epsilon": "2"}, {"epsilon": "inf"}]


NOISE = PrivacySettings(noise=1.0)
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no epsilon": (
        {"dp": "subject"},
        r"--dp=subject: epsilon determines the noise, or the noise epsilon; write subject:E",
    ),
    "no number": ({"dp": "subject:much"}, r"--dp=subject:much: write subject:EPSILON or client:EPSILON"),
    "nothing": ({"dp": "subject:0"}, r"--dp=subject:0: write"),
    "no unit": ({"dp": "clip:8"}, r"--dp=clip:8: write"),
    "another unit": ({"dp": "clips"}, r"--dp=clips: write"),
    "both": ({"dp": "subject:8", "privacy": NOISE}, r"leave out one of --privacy.epsilon and --privacy.noise"),
    "twice": (
        {"dp": "subject:8", "privacy": PrivacySettings(epsilon=4.0)},
        r"it names an epsilon; leave out --privacy.eps",
    ),
    "no dp": ({"dp": "", "privacy": NOISE}, r"--privacy: nothing is private without --dp"),
    "no dp to sweep": ({"dp": "", "sweep": ("noise=1,2",)}, r"--sweep noise: nothing is private without --dp"),
    "sampling of clients": (
        {"dp": "client:8", "sweep": ("sampling=0.1,0.2",)},
        r"--sweep sampling: only subjects are sampled",
    ),
    "selection": ({"select": True, "validation_share": 0.2}, r"--select chooses by subjects whom no noise protects"),
    "a fitted prior": (
        {"network": replace(FedSettings().network, prior=("co-occurrence",))},
        r"--prior=co-occurrence may come from annotations of the training examples",
    ),
    "an alpha that adapts": (
        {"algorithms": ("apfl",), "numbers": AlgorithmNumbers(apfl_adaptation=0.1)},
        r"--dp=subject: APFL's alpha would adapt to examples beside the noise",
    ),
    "a range": ({"privacy": PrivacySettings(clip=0.0)}, r"--privacy.clip=0.0: it must be greater than 0"),
    "a share": ({"privacy": PrivacySettings(delta=1.0)}, r"--privacy.delta=1.0: it must be between 0 and 1"),
}


@pytest.mark.parametrize("which", MISTAKES)
def test_a_mistake_is_a_sentence(which: str) -> None:
    changes, expected = MISTAKES[which]
    with pytest.raises(ValueError, match=expected) as raised:
        check_fed(private(**changes))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("unit", "name"), [(unit, name) for unit, names in LEAKS.items() for name in names])
def test_an_algorithm_that_uses_examples_beside_the_noise_is_refused(unit: str, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^--dp={unit}: a client of --algorithms={name} .*, beside the noise"):
        check_fed(private(f"{unit}:8", algorithms=("fedavg", name)))


def test_matrices_of_ones_own_are_private_and_functions_refused() -> None:
    refuse_functions("mine:line", {"client": None, "rule": None})
    refuse_functions("scaffold", {"client": print})
    with pytest.raises(ValueError, match=r"^--dp: --algorithms=mine:own has a function \(rule\), which might use"):
        refuse_functions("mine:own", {"client": None, "rule": print})


def test_a_missing_extra_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accountant, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"^differential privacy needs its accountant: pip install"):
        check_fed(private())


@pytest.mark.slow
def test_examples_of_the_page_run() -> None:
    result = doctest.testfile("../docs/privacy.md")
    assert result.attempted > 5
    assert result.failed == 0


@pytest.mark.parametrize("arguments", COMMANDS)
def test_commands_of_the_page_can_be_run(arguments: str) -> None:
    options = tyro.cli(Options, args=shlex.split(arguments), default=Options(FED_PRESETS["quick"]))
    check_fed(complete_fed(options.settings))
    assert "--output" in arguments


def test_options_and_their_defaults_are_on_the_page() -> None:
    rows = re.findall(r"^\| `--privacy\.([\w-]+)` \| (.*?) \|", PAGE, re.MULTILINE)
    assert {name: float(shown) for name, shown in rows} == {
        field.name: getattr(PrivacySettings(), field.name) for field in fields(PrivacySettings)
    }


def test_what_is_refused_is_on_the_page() -> None:
    titles = {"fedala": "FedALA", "fedproto": "FedProto", "q-fedavg": "q-FedAvg", "per-fedavg": "Per-FedAvg"}
    for name in LEAKS["subject"]:
        assert titles[name] in PAGE


def test_links_of_the_page_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", PAGE) if not link.startswith("http")]
    assert links
    for link in links:
        assert (Path(__file__).parents[1] / "docs" / link).exists(), link
