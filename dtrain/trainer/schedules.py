"""Schedules at work: they drive an optimizer's options from their first values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Annotated, Any

from dtrain.contracts import number_options
from dtrain.errors import OptionError, on_all_ranks
from dtrain.options import Range, fault, ranged
from dtrain.registry.words import expected
from dtrain.wording import shown

if TYPE_CHECKING:
    from dtrain.config import SchedulePart
    from dtrain.contracts import Optimizer, Schedule

    from .job import Job


def range_of(optimizer: Optimizer, option: str) -> Any:
    """Returns the annotation of an optimizer's number, with a range: by default all finite numbers."""
    hint = number_options(type(optimizer)).get(option, float)
    return hint if ranged(hint) else Annotated[hint, Range()]


def driver_of(job: Job) -> Driver:
    """Returns what drives the options of a job's optimizer."""
    return Driver(job.optimizer, job.schedules, job.config.schedules, job.steps, job.steps_per_epoch)


class Driver:
    """Sets options to their first value times the factors of all their schedules.

    steps: updates of the whole run. steps_per_epoch: updates of one epoch.
    """

    def __init__(
        self, optimizer: Optimizer, schedules: Sequence[Schedule], parts: Sequence[SchedulePart],
        steps: int, steps_per_epoch: int,
    ) -> None:  # fmt: skip
        self._optimizer, self._schedules, self._parts = optimizer, schedules, parts
        self._steps, self._per_epoch = steps, steps_per_epoch
        self._first = {part.of: float(getattr(optimizer, part.of)) for part in parts}
        self._ranges = {of: range_of(optimizer, of) for of in self._first}

    @property
    def driven(self) -> list[str]:
        """The options that schedules drive."""
        return [*self._first]

    def drive(self, step: int) -> None:
        """Sets the options for the update after `step` updates; raises OptionError as `value` does.

        After the last update of the run, where a procedure may take more, they stay as they were for that.
        """
        step = min(step, self._steps - 1)
        for of in self._first:
            object.__setattr__(self._optimizer, of, self.value(of, step))  # `value` has checked it

    def value(self, of: str, step: int) -> float:
        """Returns an option for the update after `step` updates; raises OptionError for one outside its range."""
        factors = [self.factor(i, step) for i, part in enumerate(self._parts) if part.of == of]
        value = self._first[of] * prod(factors)
        if fault(value, self._ranges[of]) is not None:
            raise self.refusal(of, step, value, f"to stay {expected(self._ranges[of])}")
        return value

    def refusal(self, of: str, step: int, value: float, wanted: str, why: str = "") -> OptionError:
        """Returns the error for a value that an option does not take, of every rank alike."""
        places = [i for i, part in enumerate(self._parts) if part.of == of]
        factors = " × ".join(f"{self.factor(i, step):.10g} of {self._parts[i].name!r}" for i in places)
        return self._error(
            places[0],
            f"expected {of} of the optimizer {wanted}, got {value:.10g} in step {step + 1:,} of {self._steps:,}, "
            f"{self._first[of]:.10g} × {factors}{why}; change the schedule or the first value",
        )

    def factor(self, i: int, step: int) -> float:
        """Returns the factor of schedule `i` for the update after `step` updates; raises OptionError for none."""
        schedule, epoch = self._schedules[i], step / self._per_epoch
        try:
            if self._parts[i].unit == "step":
                factor: Any = schedule(step, self._steps, epoch)
            else:
                factor = schedule(step // self._per_epoch, -(-self._steps // self._per_epoch), epoch)
        except (ValueError, ArithmeticError) as error:
            raise self._error(
                i,
                f"expected a factor for step {step + 1:,} of {self._steps:,}, got {type(error).__name__}: {error}",
            ) from error
        if fault(factor, float) is not None:
            raise self._error(
                i,
                f"expected a factor that is a number, got {shown(factor)} in step {step + 1:,} of {self._steps:,}",
            )
        return float(factor)

    def _error(self, i: int, message: str) -> OptionError:
        part = self._parts[i]
        error = OptionError(f"{part.where}: schedule {part.name!r}: {message}")
        on_all_ranks(error)
        return error

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Lets schedules be asked without effect: one that counts how often it is asked gets its state back."""
        before = self.state()
        try:
            yield
        finally:
            self.load_state(before)

    def observe(self, watched: Callable[[str], float]) -> None:
        """Give every schedule its figure after an epoch; watched: from a name to the figure, less being better."""
        for schedule in self._schedules:
            schedule.observe(watched(schedule.metric))

    def state(self) -> list[dict[str, Any]]:
        """Returns what a checkpoint must keep."""
        return [schedule.state() for schedule in self._schedules]

    def load_state(self, states: Sequence[dict[str, Any]]) -> None:
        """Takes back what `state` returned."""
        for schedule, state in zip(self._schedules, states, strict=True):
            schedule.load_state(state)
