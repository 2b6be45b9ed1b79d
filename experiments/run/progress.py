"""What a long run is doing and how long it will take.

On a terminal, a live line per stage with a bar; anywhere else (a log file, a pipe) plain lines: one when a
stage starts, one when it ends, and at most one per ten seconds between.

    with progress() as stages:
        dataset = load("synthetic", progress=stages.track)
        with stages.stage("compiling"):
            ...
        with stages.stage("training", total=40, unit="round") as training:
            for _ in range(40):
                training.advance(loss=...)
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich import progress as rich_progress
from rich.console import Console
from rich.table import Column
from rich.text import Text

SECONDS_BETWEEN_LINES = 10.0
Clock = Callable[[], float]


@dataclass
class Stage:
    """One stage of a run: how far it is, and since when."""

    name: str
    total: int | None
    unit: str
    done: int
    clock: Clock
    show: Callable[["Stage"], object]
    values: dict[str, float] = field(default_factory=dict)
    ended: float | None = None

    def __post_init__(self) -> None:
        """Start the clock; steps done earlier (a resumed run) tell nothing about this run's speed."""
        self.started = self.advanced = self.clock()
        self.first = self.done

    def advance(self, steps: int = 1, **values: float) -> None:
        """Say that steps are done, with values to show beside, such as ``loss=0.7``."""
        self.done += steps
        self.advanced = self.clock()
        self.values = values
        self.show(self)

    def stopping(self) -> None:
        """Say that the user has asked to stop."""
        self.name = f"stopping after this {self.unit} (Ctrl-C again: at once)"

    @property
    def elapsed(self) -> float:
        """Seconds since the stage started; stands still once it ended."""
        return (self.clock() if self.ended is None else self.ended) - self.started

    @property
    def left(self) -> float | None:
        """Seconds to go at the mean speed so far; None before the first step, at the end, without total."""
        if self.total is None or self.ended is not None or self.done in (self.first, self.total):
            return None
        seconds_per_step = (self.advanced - self.started) / (self.done - self.first)
        return max(0.0, seconds_per_step * (self.total - self.done) - (self.clock() - self.advanced))

    @property
    def position(self) -> str:
        """Such as "round 12/40"; empty for a stage without steps."""
        return "" if self.total is None else f"{self.unit} {self.done}/{self.total}".strip()

    @property
    def values_text(self) -> str:
        """Such as "loss 0.712"."""
        return "  ".join(f"{name} {value:.3f}" for name, value in self.values.items())

    @property
    def times(self) -> str:
        """Such as "elapsed 0:35  left 1:20"."""
        left = "" if self.left is None else f"  left {duration(self.left)}"
        return f"elapsed {duration(self.elapsed)}{left}"


class Display(Protocol):
    """Where stages are shown."""

    def start(self, stage: Stage) -> None:
        """A stage starts."""

    def update(self, stage: Stage) -> None:
        """It got further."""

    def stop(self, stage: Stage, *, finished: bool) -> None:
        """It ended, or was interrupted."""


@dataclass(frozen=True)
class Stages:
    """The stages of one run, one after the other."""

    display: Display
    clock: Clock

    @contextmanager
    def stage(self, name: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Stage]:
        """Show a stage while the block runs.

        Args:
            name: what is being done.
            total: number of steps; None if it has none.
            done: steps done earlier, in a resumed run.
            unit: what a step is called.
        """
        stage = Stage(name, total, unit, done, self.clock, self.display.update)
        self.display.start(stage)
        finished = False
        try:
            yield stage
            finished = True
        finally:
            stage.ended = self.clock()
            self.display.stop(stage, finished=finished)

    def track(self, items: Iterable[Any], total: int, description: str) -> Iterator[Any]:
        """Pass items through as the steps of a stage."""
        with self.stage(description, total) as stage:
            for item in items:
                yield item
                stage.advance()


@contextmanager
def progress(console: Console | None = None, clock: Clock = time.monotonic) -> Iterator[Stages]:
    """Show stages for as long as the block runs.

    Args:
        console: where to; by default standard error, so that results on standard output stay clean.
        clock: seconds; another one in tests.
    """
    console = console or Console(stderr=True)
    if not console.is_interactive:
        yield Stages(PlainLines(console), clock)
        return
    columns = (
        rich_progress.SpinnerColumn(finished_text="✓"),
        StageColumn(lambda stage: stage.name),
        rich_progress.BarColumn(bar_width=None),
        StageColumn(lambda stage: stage.position),
        StageColumn(lambda stage: stage.values_text),
        StageColumn(lambda stage: stage.times),
    )
    bars = rich_progress.Progress(
        *columns,
        console=console,
        refresh_per_second=4,
        expand=True,
        redirect_stdout=sys.stdout.isatty(),  # piped results stay in the pipe
    )
    with bars:
        yield Stages(Bars(bars), clock)


class PlainLines:
    """Lines without control characters."""

    def __init__(self, console: Console) -> None:
        """Write to this console."""
        self.console = console
        self.last = 0.0

    def start(self, stage: Stage) -> None:
        """Name the stage."""
        self.last = stage.started
        self._line(stage.name, stage.position if stage.done else "", "...")

    def update(self, stage: Stage) -> None:
        """Say how far it is, unless something was said a moment ago."""
        if stage.advanced - self.last >= SECONDS_BETWEEN_LINES:
            self.last = stage.advanced
            self._line(stage.name, stage.position, stage.values_text, stage.times)

    def stop(self, stage: Stage, *, finished: bool) -> None:
        """Say how it ended."""
        ending = f"{'done' if finished else 'stopped'} after {duration(stage.elapsed)}"
        self._line(stage.name, stage.position, stage.values_text, ending)

    def _line(self, *parts: str) -> None:
        self.console.print(Text("  ".join(filter(None, parts))), soft_wrap=True)


class Bars:
    """A live line per stage."""

    def __init__(self, bars: rich_progress.Progress) -> None:
        """Draw with these."""
        self.bars = bars
        self.tasks: dict[int, rich_progress.TaskID] = {}

    def start(self, stage: Stage) -> None:
        """Add the stage's line."""
        self.tasks[id(stage)] = self.bars.add_task("", total=stage.total, completed=stage.done, stage=stage)

    def update(self, stage: Stage) -> None:
        """Move its bar."""
        self.bars.update(self.tasks[id(stage)], completed=stage.done)

    def stop(self, stage: Stage, *, finished: bool) -> None:
        """Fill its bar, or leave it where it stopped."""
        task = self.tasks.pop(id(stage))
        if finished:
            self.bars.update(task, total=stage.total or 1, completed=stage.total or 1)
        self.bars.stop_task(task)


class StageColumn(rich_progress.ProgressColumn):
    """A text read off the stage each time the line is drawn."""

    def __init__(self, text: Callable[[Stage], str]) -> None:
        """Show this text of the stage."""
        super().__init__(table_column=Column(no_wrap=True))
        self.text = text

    def render(self, task: rich_progress.Task) -> Text:
        """The text as it is now."""
        return Text(self.text(task.fields["stage"]))


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(75), duration(3675.4)
    ('1:15', '1:01:15')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
