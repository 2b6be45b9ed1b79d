import io
import os
import pty
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from experiments.run.progress import progress


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run_stages(output, clock, num_rounds=40, seconds_per_round=3.0, done=0):
    with progress(Console(file=output, width=100), clock) as stages:
        with stages.stage("compiling"):
            clock.now += 12
        with stages.stage("training", num_rounds, unit="round", done=done) as training:
            for round_ in range(done, num_rounds):
                clock.now += seconds_per_round
                training.advance(loss=1 / (round_ + 1))
    return output.getvalue().splitlines()


def test_a_log_gets_plain_lines_at_most_every_ten_seconds():
    lines = run_stages(io.StringIO(), Clock())
    assert lines[:4] == [
        "compiling  ...",
        "compiling  done after 0:12",
        "training  ...",
        "training  round 4/40  loss 0.250  elapsed 0:12  left 1:48",
    ]
    assert lines[-1] == "training  round 40/40  loss 0.025  done after 2:00"
    assert len(lines) == 4 + 120 // 12  # a line at every fourth round of 3 s, the last round's being the end
    assert all(character.isprintable() for line in lines for character in line)


def test_time_left_of_a_resumed_run_comes_from_its_own_rounds():
    lines = run_stages(io.StringIO(), Clock(), num_rounds=100, seconds_per_round=10.0, done=98)
    assert "training  round 99/100  loss 0.010  elapsed 0:10  left 0:10" in lines


def train_until_interrupted(output, clock):
    with (
        progress(Console(file=output), clock) as stages,
        stages.stage("training", 5, unit="round") as training,
    ):
        clock.now += 2
        training.advance()
        raise KeyboardInterrupt


def test_an_interrupted_stage_says_where_it_stopped():
    output = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        train_until_interrupted(output, Clock())
    assert output.getvalue().splitlines()[-1] == "training  round 1/5  stopped after 0:02"


def test_tracked_items_pass_unchanged():
    output = io.StringIO()
    with progress(Console(file=output)) as stages:
        assert list(stages.track("abc", 3, "synthetic data")) == ["a", "b", "c"]
    assert "synthetic data  3/3  done" in output.getvalue()


def test_a_terminal_gets_a_bar_with_round_loss_and_times():
    output, clock = io.StringIO(), Clock()
    console = Console(file=output, force_terminal=True, width=100, color_system=None, legacy_windows=False)
    with progress(console, clock) as stages, stages.stage("training", 10, unit="round") as training:
        clock.now += 30
        training.advance(4, loss=0.5)
    assert "round 4/10" in output.getvalue()
    assert "loss 0.500" in output.getvalue()
    assert "elapsed 0:30" in output.getvalue()


TRAINS_FOREVER = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
from experiments.run.progress import progress
with progress() as stages, stages.stage("training", 9, unit="round") as training:
    training.advance(loss=1.0)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_ctrl_c_on_a_terminal_ends_at_once_and_shows_the_cursor_again():
    terminal, standard_error = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINS_FOREVER],
        stdout=subprocess.PIPE,
        stderr=standard_error,
        env=environment,
        text=True,
    )
    try:
        os.close(standard_error)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        shown = read_to_end(terminal)
        assert process.wait(timeout=10) == -signal.SIGINT
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
    assert "round 1/9" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def read_to_end(terminal):
    text = b""
    try:
        while chunk := os.read(terminal, 4096):
            text += chunk
    except OSError:  # how Linux ends a pseudo-terminal
        pass
    finally:
        os.close(terminal)
    return text.decode()
