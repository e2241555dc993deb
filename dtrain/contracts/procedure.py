"""What a procedure is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from .callback import Run
from .configurable import Configurable


@dataclass(frozen=True)
class Taken:
    """One step that was taken. loss: the mean over the global batch, before the update; the same on all ranks.

    updated: whether the parameters changed; False where the loss or its gradient was not finite.
    """

    loss: float
    updated: bool


class Course(Run, Protocol):
    """What a procedure may do: all that callbacks may, and lead the run. Every method is a collective."""

    @property
    def stopped(self) -> bool:
        """Whether the run is to end: its time limit is over, or someone called `stop`."""

    def take_step(self, options: Mapping[str, float] | None = None) -> Taken:
        """Trains on the next global batch. options: of the optimizer, for this step alone, whatever schedules say.

        A step that is not finite changes nothing and raises nothing, whatever `train.non_finite` says. Callbacks
        do not see it, and it stands in no line of metrics.jsonl.
        """

    def train_on(self) -> None:
        """Trains as the config says, from here to the end: what a run without a procedure does."""

    def mark(self) -> object:
        """Returns a copy of all that training changes.

        Parameters, running statistics, slots, the `state` of the optimizer, of schedules and callbacks, the figures
        of the epoch, a stop, and where the order of the samples stands.
        """

    def rewind(self, mark: object) -> None:
        """Goes back to where `mark` was called, as often as wanted; the same steps then give the same bits.

        The lines of metrics.jsonl that came since are dropped. A time limit that is over stays over.
        """

    def note(self, **figures: Any) -> None:
        """Keeps figures (JSON values) for summary.json, under "procedure"."""

    def say(self, text: str) -> None:
        """Shows the user one line, from one rank."""


class Procedure(Configurable):
    """What a run does instead of plain training. Every rank runs it, with the same figures.

    Decisions come from what the course returns, totals over all ranks; then all ranks decide alike.
    """

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options. They run it on a course of their own, whose optimizer has `lr`."""

    steps: int | None = None
    """How many steps it will take, for the progress; None: as many as the config's plain training."""

    def start(self, course: Course) -> None:
        """Before the first step: raises ConfigError for a run that it is not for. Nothing collective belongs here."""

    def run(self, course: Course) -> None:
        """Leads the run; when it returns, the run is validated, saved and summarized as it then stands."""
        raise NotImplementedError(f"{type(self).__name__} has no run")
