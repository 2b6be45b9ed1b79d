"""For the site: examples in docstrings (``>>>``) become code blocks, where Markdown would make them quotations."""

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"(?:^ *>>> .*\n?(?:^ *\S.*\n?)*)+", re.MULTILINE)


def fenced(text: str) -> str:
    """A docstring with its examples in fences, each up to the next empty line."""
    return EXAMPLE.sub(lambda found: f"\n```pycon\n{found[0].rstrip()}\n```\n", text)


class ExamplesInDocstrings(Extension):
    """Griffe calls it for everything that has been read."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Put the examples of a docstring into fences."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)
