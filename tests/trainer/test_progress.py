"""What a person sees."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dtrain.trainer import progress as module
from dtrain.trainer.progress import Progress, clock, figure


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def now(monkeypatch):
    """A clock that stands still: now[0]."""
    time = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: time[0])
    monkeypatch.delenv("DTRAIN_PROGRESS", raising=False)
    return time


def test_a_log_gets_a_line_every_ten_seconds(now):
    log = io.StringIO()
    progress = Progress(True, log)
    progress.start(0, 2000, "a run")
    assert not progress.due()
    now[0] += 9.9
    assert not progress.due()
    now[0] += 0.2
    assert progress.due()
    progress.step(1234, 0.5, 98765.4, 3725)
    assert not progress.due()
    assert log.getvalue() == "a run\nstep 1,234/2,000  loss 0.5000  98,765 samples/s  1:02:05 left\n"


def test_an_epoch_is_a_line_and_puts_the_next_one_off(now):
    log = io.StringIO()
    progress = Progress(True, log)
    progress.start(0, 2000, "a run")
    now[0] += 9.9
    progress.epoch(2, 10, {"loss": 0.5, "accuracy": 0.25}, {"loss": 0.75}, 1000.0, 61)
    now[0] += 0.2
    assert not progress.due()
    progress.epoch(2.5, 10, {"loss": 0.5}, None, 1000.0, 0)
    progress.end({"loss": 0.5}, {"loss": 0.75}, 61, Path("/x"))
    assert log.getvalue().splitlines()[1:] == [
        "epoch  2/10  train loss 0.5000 accuracy 0.2500  validation loss 0.7500  1,000 samples/s  1:01 left",
        "epoch 2.5/10  train loss 0.5000  1,000 samples/s  0:00 left",
        "done in 1:01  train loss 0.5000  validation loss 0.7500",
        "run in /x",
    ]


def test_other_ranks_are_silent(now):
    log = Terminal()
    progress = Progress(False, log)
    progress.start(0, 10, "a run")
    now[0] += 100
    assert not progress.due()
    progress.epoch(1, 2, {}, None, 1.0, 1.0)
    progress.line("here")
    progress.close()
    assert log.getvalue() == ""


@pytest.mark.parametrize(
    ("stream", "wanted", "bar"),
    [
        (Terminal, None, True),
        (io.StringIO, None, False),
        (io.StringIO, "bar", True),
        (Terminal, "lines", False),
    ],
)
def test_the_bar_is_for_terminals_and_for_who_asks(stream, wanted, bar, now, monkeypatch):
    if wanted is not None:
        monkeypatch.setenv("DTRAIN_PROGRESS", wanted)
    log = stream()
    progress = Progress(True, log)
    progress.start(3, 10, "a run")
    now[0] += 0.3
    assert progress.due() is bar
    if bar:
        progress.step(7, 0.5, 1000.0, 5)
    progress.line("an epoch")
    progress.close()
    progress.close()
    shown = log.getvalue()
    assert ("7/10" in shown and "loss 0.5000, 1,000 samples/s" in shown) is bar
    assert "an epoch\n" in shown
    assert shown.startswith("a run\n")


def test_a_terminal_that_is_gone_ends_nothing(now):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    progress = Progress(True, Gone())
    progress.start(0, 10, "a run")
    progress.epoch(1, 2, {"loss": 1.0}, None, 1.0, 1.0)
    assert not progress.speaks


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0000"), (0.12345, "0.1235"), (0.00012345, "0.000123"), (123456.7, "1.23e+05"), (-2.5, "-2.5000")],
)
def test_a_figure_shows_what_there_is(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3600, "1:00:00")])
def test_a_clock(seconds, text):
    assert clock(seconds) == text
