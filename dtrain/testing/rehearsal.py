"""A course for procedures to lead, without a network: one number, pulled to zero."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from dtrain.contracts import Taken

from .failure import Failure
from .script import Script

MOST = 10_000
"""Things that a procedure does, of a run of forty steps."""


class Rehearsal(Script):
    """Gradient descent on x², from 1, forty steps of it; `decisions` keeps what the procedure did.

    at: x as it stands.
    """

    steps = 40
    stopped = False

    def __init__(self) -> None:
        super().__init__()
        self.at = 1.0

    def take_step(self, options: Mapping[str, float] | None = None) -> Taken:
        if len(self.decisions) > MOST:
            raise Failure(
                f"the procedure does not end: {MOST:,} steps and more of a run of {self.steps}; "
                "stop where course.step reaches course.steps, or course.stopped"
            )
        lr, loss = {**self.options, **(options or {})}["lr"], self.at**2
        self.decisions.append(f"step {self.step + 1} with lr {lr!r}")
        after = self.at - lr * 2 * self.at
        updated = isfinite(loss) and isfinite(after)
        if updated:
            self.at = after
            self.step += 1
        return Taken(loss, updated)

    def train_on(self) -> None:
        while self.step < self.steps and not self.stopped:
            self.take_step()

    def mark(self) -> object:
        return (self.at, self.step)

    def rewind(self, mark: object) -> None:
        assert isinstance(mark, tuple)
        self.at, self.step = mark
        self.decisions.append(f"rewind to step {self.step}")

    def stop(self, reason: str) -> None:
        super().stop(reason)
        self.stopped = True

    def note(self, **figures: Any) -> None:
        self.decisions.append(f"note {figures!r}")

    def say(self, text: str) -> None:
        self.decisions.append(f"say {text}")
