"""Command-line options, with a one-sentence message for a mistake in them."""

import contextlib
import difflib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import tyro
from tyro import _errors as mistakes  # a private hook: pyproject.toml restricts tyro to releases that have it

Result = TypeVar("Result")


def parsed(target: Callable[..., Result], arguments: Sequence[str] | None, **how: Any) -> Result:
    """Parse arguments with ``tyro.cli``.

    Args:
      target: class of the options, or a function that takes them.
      arguments: as the user wrote them; None for those of the process.
      **how: further arguments of ``tyro.cli``, such as ``prog`` and ``default``.

    Raises:
      ValueError: a mistake in the arguments, in one sentence that suggests the closest option.

    >>> def greet(name: str, times: int = 1) -> str:
    ...     return name * times
    >>> parsed(greet, ["--name=a", "--times=2"])
    'aa'
    >>> parsed(greet, ["--name=a", "--tmies=2"], prog="greet")
    Traceback (most recent call last):
    ValueError: unknown option --tmies: did you mean --times? greet --help lists all
    """

    def known() -> list[str]:
        return names(target, **how)

    def refuse(mistake: mistakes.ParseErrorEvent) -> None:
        said = sentence(mistake, known)
        if isinstance(mistake, mistakes.BadValue):  # also if a positional argument is followed by an unknown option
            said = unknown_option(arguments or (), known()) or said
        if said:
            raise ValueError(f"{said} {mistake.prog} --help lists all")

    with mistakes.on_parse_error(refuse):
        return tyro.cli(target, args=arguments, **how)


def names(target: Callable[..., Any], **how: Any) -> list[str]:
    """All options of a command, as listed by its help."""
    with contextlib.redirect_stdout(io.StringIO()) as help_text, contextlib.suppress(SystemExit):
        tyro.cli(target, args=["--help"], **how)
    return sorted(set(re.findall(r"--[a-z][\w.-]*", help_text.getvalue())))


def unknown_option(arguments: Sequence[str], known: Sequence[str]) -> str:
    """A sentence about the first argument that is no option of a command; empty if there is none."""
    for argument in arguments:
        name = argument.partition("=")[0]
        if name.startswith("--") and name.replace("_", "-") not in known:
            return f"unknown option {name}: {near(name, known)}"
    return ""


def sentence(mistake: mistakes.ParseErrorEvent, known: Callable[[], Sequence[str]]) -> str:
    """A message with the mistake and a suggestion; empty if tyro's own message is used."""
    match mistake:
        case mistakes.UnrecognizedArgs(tokens=[first, *_]) | mistakes.MissingArgs(unrecognized_tokens=[first, *_]) if (
            first.startswith("-")
        ):
            return f"unknown option {first.partition('=')[0]}: {near(first.partition('=')[0], known())}"
        case mistakes.UnrecognizedArgs(tokens=[first, *_]):
            return f"{first} does not belong to an option;"
        case mistakes.InvalidChoice(argument=argument, value=value, choices=choices):
            return f"{option(argument)}={value}: choose {one_of(choices)};"
        case mistakes.BadValue(argument=argument):
            return f"{option(argument)} needs a value;"
        case mistakes.MissingArgs(missing_arguments=missing):
            return f"missing {' and '.join(option(one.arg) for one in missing)};"
        case mistakes.InstantiationFailure(argument=argument, message=message) if argument is not None:
            return f"{option(argument)}: {unquoted(message)};"
        case _:
            return ""


def option(argument: Any) -> str:
    """An option as the user writes it: the longest of its names."""
    return str(max(argument.display_name().split(", "), key=len))


def near(name: str, known: Sequence[str]) -> str:
    """A suggestion of the closest option."""
    return did_you_mean(name, known).strip() or "no option is similar;"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A suggestion of the closest name, followed by a space; empty if none is close.

    >>> did_you_mean("publshed", ["published", "none"])
    'did you mean published? '
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}? " if close else ""


def one_of(choices: Sequence[str]) -> str:
    """List choices in words."""
    return f"one of {', '.join(choices)}" if len(choices) > 1 else str(choices[0])


def unquoted(message: str) -> str:
    """Rewrite one of Python's messages for a user.

    >>> unquoted("invalid literal for int() with base 10: 'abc'")
    'abc is not a whole number'
    """
    kinds = {
        r"invalid literal for int\(\) with base 10: '(.*)'": "{} is not a whole number",
        r"could not convert string to float: '(.*)'": "{} is not a number",
        r"Could not find valid parse for arguments: \['(.*)'\]": "{} is not a valid value",
    }
    for pattern, said in kinds.items():
        if found := re.search(pattern, message):
            return said.format(found[1].replace("', '", " "))
    return message
