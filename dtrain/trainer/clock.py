"""How long training steps take."""

from __future__ import annotations

from collections import deque
from itertools import islice
from statistics import median

REMEMBERED = 10_000
"""Steps whose time counts in the median of a run."""

RECENT = 100
"""Steps whose time counts in what is shown meanwhile."""


class StepClock:
    """The seconds of each training step of this process: without validation, checkpoints and callbacks."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=REMEMBERED)

    def note(self, seconds: float) -> None:
        """Notes one step's."""
        self._times.append(seconds)

    def median(self) -> float | None:
        """Returns the median; None before the first step."""
        return median(self._times) if self._times else None

    def recent(self) -> float:
        """Returns the mean of the last steps."""
        count = min(RECENT, len(self._times))
        return sum(islice(reversed(self._times), count)) / count
