"""What a person sees of a run: a bar on a terminal, a line now and then in a log, a line an epoch in both."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

SECONDS = 10.0
"""Between two lines in a log."""

BAR_SECONDS = 0.2
"""Between two looks of the bar."""


class Progress:
    """Shows a run to one person: only the rank with `speaks` writes.

    stream: where to write, stderr. A terminal that is gone does not end the run.
    """

    def __init__(self, speaks: bool, stream: TextIO | None = None) -> None:
        self.speaks = speaks
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._last = monotonic()
        self._steps = 0

    def start(self, step: int, steps: int, title: str) -> None:
        """Starts to show a run that has done `step` of `steps` updates."""
        self._steps = steps
        self._last = monotonic()
        self.line(title)
        self.take_over(step)

    def take_over(self, step: int) -> None:
        """Shows a run from this step on, if this rank speaks."""
        if self.speaks and self._bar is None and self._wants_bar():
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # no thread of its own
            self._bar = tqdm(
                total=self._steps, initial=step, unit="step", file=self._stream, leave=False, dynamic_ncols=True,
                mininterval=BAR_SECONDS,
            )  # fmt: skip

    def _wants_bar(self) -> bool:
        wanted = os.environ.get("DTRAIN_PROGRESS")
        return wanted == "bar" or (wanted is None and self._stream.isatty())

    def due(self) -> bool:
        """Tells whether it is time to show a step."""
        return self.speaks and monotonic() - self._last >= (SECONDS if self._bar is None else BAR_SECONDS)

    def step(self, step: int, loss: float, samples_per_second: float, seconds_left: float) -> None:
        """After an update, when it is due."""
        self._last = monotonic()
        rate = f"{samples_per_second:,.0f} samples/s"
        if self._bar is None:
            self.line(
                f"step {step:,}/{self._steps:,}  loss {figure(loss)}  {rate}  {clock(seconds_left)} left"
            )
            return
        self._bar.set_postfix_str(f"loss {figure(loss)}, {rate}", refresh=False)
        self._bar.update(step - self._bar.n)

    def epoch(
        self, epoch: float, epochs: int, train: Mapping[str, float], validation: Mapping[str, float] | None,
        samples_per_second: float, seconds_left: float,
    ) -> None:  # fmt: skip
        """After each epoch."""
        self._last = monotonic()
        self.line(
            f"epoch {epoch:>{len(str(epochs))}}/{epochs}  {_both(train, validation)}"
            f"{samples_per_second:,.0f} samples/s  {clock(seconds_left)} left"
        )

    def end(
        self,
        train: Mapping[str, float],
        validation: Mapping[str, float] | None,
        seconds: float,
        folder: Path,
    ) -> None:
        """After the last step, with the figures of the summary."""
        self.line(f"done in {clock(seconds)}  {_both(train, validation)}")
        self.line(f"run in {folder}")

    def line(self, text: str) -> None:
        """Writes a line, above the bar if there is one."""
        if not self.speaks:
            return
        try:
            if self._bar is not None:
                self._bar.write(text.rstrip(), file=self._stream)
            else:
                print(text.rstrip(), file=self._stream, flush=True)
        except OSError:
            self.speaks = False

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _both(train: Mapping[str, float], validation: Mapping[str, float] | None) -> str:
    held_out = "" if validation is None else f"validation {_figures(validation)}  "
    return f"train {_figures(train)}  {held_out}"


def _figures(figures: Mapping[str, float]) -> str:
    return " ".join(f"{name} {figure(value)}" for name, value in figures.items())


def figure(value: float) -> str:
    """Returns a number for people: four decimals, or three digits where those would hide it."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3g}"


def clock(seconds: float) -> str:
    """Returns h:mm:ss or m:ss."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"
