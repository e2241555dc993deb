"""What a person sees of a run: a bar on a terminal, a line now and then in a log, a line an epoch in both."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from time import monotonic
from typing import Any, TextIO

SECONDS = 10.0
"""Between two lines in a log."""


class Progress:
    """Shows a run to one person: only the rank with `speaks` writes.

    steps: updates in all. epochs: in all, maybe a fraction of one. stream: where to write, stderr.
    """

    def __init__(self, speaks: bool, stream: TextIO | None = None) -> None:
        self.speaks = speaks
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._last = monotonic()
        self._steps = 0

    def start(self, step: int, steps: int) -> None:
        """Starts to show a run that has done `step` of `steps` updates."""
        self._steps = steps
        if self.speaks and self._wants_bar():
            from tqdm import tqdm

            self._bar = tqdm(
                total=steps, initial=step, unit="step", file=self._stream, leave=False, dynamic_ncols=True,
                mininterval=0.2,
            )  # fmt: skip

    def _wants_bar(self) -> bool:
        wanted = os.environ.get("DTRAIN_PROGRESS")
        return wanted == "bar" or (wanted is None and self._stream.isatty())

    def due(self) -> bool:
        """Tells whether it is time to show a step."""
        return self.speaks and monotonic() - self._last >= (SECONDS if self._bar is None else 0.2)

    def step(self, step: int, loss: float, samples_per_second: float, seconds_left: float) -> None:
        """After an update, when it is due."""
        self._last = monotonic()
        rate = f"{samples_per_second:,.0f} samples/s"
        if self._bar is None:
            self.line(f"step {step:,}/{self._steps:,}  loss {loss:.4f}  {rate}  {clock(seconds_left)} left")
            return
        self._bar.set_postfix_str(f"loss {loss:.4f}, {rate}", refresh=False)
        self._bar.update(step - self._bar.n)

    def epoch(
        self, epoch: float, epochs: int, train: Mapping[str, float], validation: Mapping[str, float] | None,
        samples_per_second: float, seconds_left: float,
    ) -> None:  # fmt: skip
        """After each epoch."""
        parts = [f"epoch {epoch}/{epochs}", _figures(train)]
        if validation is not None:
            parts.append(f"validation {_figures(validation)}")
        parts.append(f"{samples_per_second:,.0f} samples/s")
        parts.append(f"{clock(seconds_left)} left")
        self.line("  ".join(parts))

    def line(self, text: str) -> None:
        """Writes a line, above the bar if there is one."""
        if not self.speaks:
            return
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _figures(figures: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.4f}" for name, value in figures.items())


def clock(seconds: float) -> str:
    """Returns h:mm:ss or m:ss."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"
