"""What a user's ``module:name`` on the command line means, and how its failures are told."""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from types import ModuleType
from typing import Any


def attribute(option: str, text: str) -> Any:
    """What a module of the user's holds under a name.

    Args:
        option: of the command line, for the message.
        text: ``module:name``.

    Raises:
        ValueError: no such module or name, or the module cannot be imported.

    >>> attribute("--prior", "math:pi")
    3.141592653589793
    """
    module_name, _, name = text.partition(":")
    module = _module(f"{option}={text}", module_name)
    if not hasattr(module, name):
        public = [own for own in vars(module) if not own.startswith("_")]
        raise ValueError(f"{option}={text}: {near(name, public)}module {module_name} has no {name or 'name'!r}")
    return getattr(module, name)


def near(text: str, known: Iterable[str]) -> str:
    """A question after what may be meant; empty if nothing is near.

    >>> near("publshed", ["published", "none"])
    'do you mean published? '
    """
    found = get_close_matches(text, list(known), 1)
    return f"do you mean {found[0]}? " if found else ""


def told(error: Exception) -> str:
    """An error of the user's code in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _module(where: str, name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ValueError(
                f"{where}: there is no module {name!r}; run in the folder that holds it, or install it"
            ) from error
        raise ValueError(f"{where}: module {name} cannot be imported ({error})") from error
    except Exception as error:
        raise ValueError(f"{where}: module {name} cannot be imported ({told(error)})") from error
