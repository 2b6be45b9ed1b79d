"""A mistake in the options of a command is one sentence."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import tyro

from fedpsyau_jax.options import parsed


@dataclass(frozen=True)
class Inner:
    variant: Literal["full", "small"] = "full"


@dataclass(frozen=True)
class Options:
    copy: tyro.conf.Positional[Path]
    clients: int = 5
    mu: tuple[float, ...] = (0.01,)
    split: Literal["subjects", "examples"] = "subjects"
    inner: Inner = field(default_factory=Inner)


GOOD = ["here", "--clients=3", "--mu", "0.1", "0.2", "--inner.variant=small"]
MISTAKES = {
    "near": (["--clinets=3"], "unknown option --clinets: did you mean --clients?"),
    "nested": (["--inner.varaint", "full"], "unknown option --inner.varaint: did you mean --inner.variant?"),
    "far": (["--zzz"], "unknown option --zzz: no option is similar;"),
    "stray": (["there"], "there does not belong to an option;"),
    "choice": (["--split=subject"], "--split=subject: choose one of subjects, examples;"),
    "whole number": (["--clients=2.5"], "--clients: 2.5 is not a whole number;"),
    "number": (["--mu", "0.1", "x"], "--mu: 0.1 x is not a valid value;"),
    "no value": (["--clients"], "--clients needs a value;"),
}


def test_good_arguments_become_options():
    assert parsed(Options, GOOD) == Options(Path("here"), 3, (0.1, 0.2), inner=Inner("small"))


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ValueError) as mistake:  # noqa: PT011 (compared as a whole)
        parsed(Options, ["here", *arguments], prog="it")
    assert str(mistake.value) == f"{said} it --help lists all"
    assert capsys.readouterr() == ("", "")


def test_a_misspelt_option_is_told_before_what_it_was_to_give():
    def of_clients(clients: int) -> int:
        return clients

    with pytest.raises(ValueError, match=r"^unknown option --clinets: did you mean --clients\? it"):
        parsed(of_clients, ["--clinets=3"], prog="it")


def test_an_unknown_option_is_told_before_a_missing_positional_argument():
    def of_run(run: tyro.conf.Positional[Path]) -> Path:
        return run

    with pytest.raises(ValueError, match=r"^unknown option --hlep: did you mean --help\? it"):
        parsed(of_run, ["--hlep"], prog="it")
    with pytest.raises(ValueError, match=r"^missing run; it"):
        parsed(of_run, [], prog="it")


def test_a_missing_argument_is_named():
    with pytest.raises(ValueError, match=r"^missing copy; it --help lists all$"):
        parsed(Options, [], prog="it")


def test_help_is_still_help(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        parsed(Options, ["--help"], prog="it")
    assert left.value.code == 0
    assert "--inner.variant" in capsys.readouterr().out
