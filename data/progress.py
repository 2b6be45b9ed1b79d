"""Progress display: any function (items, total, description) -> the same items."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Progress = Callable[[Iterable[Any], int, str], Iterator[Any]]


def progress_bar(items: Iterable[Any], total: int, description: str) -> Iterator[Any]:
    """Show a bar with the time left, on standard error, while the items go by."""
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=description, total=total, console=Console(stderr=True))


def silent(items: Iterable[Any], total: int, description: str) -> Iterator[Any]:
    """Show nothing."""
    del total, description
    yield from items
