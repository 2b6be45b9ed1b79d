"""Load the user's own code, named as ``module:name`` on the command line; its failures become one sentence."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from fedpsyau_jax.options import did_you_mean


def is_plugin(text: str) -> bool:
    """Whether a name on the command line refers to the user's own code.

    >>> is_plugin("mine:line"), is_plugin("fedavg")
    (True, False)
    """
    return ":" in text


def refuse_unknown(option: str, text: str, known: Mapping[str, Any]) -> None:
    """Raise a ValueError if a name is neither known nor refers to the user's own code.

    >>> refuse_unknown("--prior", "publshed", {"published": 1, "none": 2})
    Traceback (most recent call last):
    ValueError: --prior=publshed: did you mean published? there are published, none, and your own as module:function
    """
    if text not in known and not is_plugin(text):
        choices = f"{', '.join(known)}, and your own as module:function"
        raise ValueError(f"{option}={text}: {did_you_mean(text, known)}there are {choices}")


def attribute(option: str, text: str) -> Any:
    """Import an attribute of a module of the user.

    Args:
        option: the command-line option, for the message.
        text: ``module:name``.

    Raises:
        ValueError: no such module or name, or the module cannot be imported.

    >>> attribute("--prior", "math:pi")
    3.141592653589793
    """
    module_name, _, name = text.partition(":")
    module = _module(f"{option}={text}", module_name)
    if not hasattr(module, name):
        public = [known for known in vars(module) if not known.startswith("_")]
        raise ValueError(f"{option}={text}: {did_you_mean(name, public)}module {module_name} has no {name or 'name'!r}")
    return getattr(module, name)


def function_or_value(option: str, text: str, value_types: type | tuple[type, ...], otherwise: str) -> Any:
    """Import a function or a value of the given types from a module of the user.

    Args:
        option: the command-line option, for the message.
        text: ``module:name``.
        value_types: allowed types of a value.
        otherwise: end of the message, such as "neither a function that returns a Dataset nor a Dataset".

    Raises:
        ValueError: it is neither, or cannot be imported.
    """
    value = attribute(option, text)
    if not isinstance(value, value_types) and (not callable(value) or inspect.isclass(value)):
        raise ValueError(f"{option}={text}: {text.partition(':')[2]} is {otherwise}")
    return value


def call(option: str, text: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call the user's function.

    Raises:
        ValueError: it failed; the message has the first line of its error.
    """
    try:
        return function(*arguments)
    except Exception as error:
        raise ValueError(f"{option}={text}: the function failed ({error_line(error)})") from error


def error_line(error: Exception) -> str:
    """Type and first line of an error of the user's code."""
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
        raise ValueError(f"{where}: module {name} cannot be imported ({error_line(error)})") from error
