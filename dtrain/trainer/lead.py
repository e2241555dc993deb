"""A procedure at work: how it leads the run that a trainer carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import nan
from typing import TYPE_CHECKING, Any, cast

from dtrain.contracts import Course, Procedure, Run, Taken
from dtrain.errors import ConfigError, OptionError, UserError, on_all_ranks
from dtrain.options import fault, is_number
from dtrain.registry.words import expected
from dtrain.wording import shown

from .agreement import agree
from .logical import Snapshot, take
from .point import Point, go_back, take_point
from .schedules import range_of

if TYPE_CHECKING:
    from dtrain.config import Config
    from dtrain.types import Array

    from .trainer import Trainer
    from .voices import Voices

_OF_RUN = frozenset(name for name in vars(Run) if not name.startswith("_"))


class Interrupted(Exception):
    """A signal came while a procedure led the run. code: the exit code that it asks for."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Mark:
    """All that training changes, as it once was: a point, and the flat arrays at it."""

    point: Point
    snapshot: Snapshot
    slots: dict[str, Array]
    unsent: dict[str, Array]
    """The slots of the exchange."""


class Lead:
    """The `Course` of one trainer: what its procedure sees of it, and nothing more."""

    def __init__(self, trainer: Trainer, voices: Voices) -> None:
        self._trainer, self._voices = trainer, voices

    def __getattr__(self, name: str) -> Any:
        if name in _OF_RUN:
            return getattr(self._trainer, name)
        raise AttributeError(f"a course has no attribute {name!r}")

    @property
    def stopped(self) -> bool:
        """Whether the run is to end."""
        return self._trainer.stop_reason is not None

    def take_step(self, options: Mapping[str, float] | None = None) -> Taken:
        """Trains on the next global batch, with these options of the optimizer. A collective."""
        trainer = self._trainer
        unknown = [name for name in options or {} if name not in trainer.options]
        if unknown:
            raise ValueError(
                f"take_step takes options of the optimizer, {[*trainer.options]}, got {unknown[0]!r}"
            )
        for name, value in (options or {}).items():
            self._check_range(name, value)
        heard, updated = trainer.one_step(self._voices, options or {})
        if heard.code:
            raise Interrupted(heard.code)
        if heard.limit:
            trainer.end_of_time()
        sums = trainer.train_step.sums
        return Taken(float(sums[0] / sums[1]) if sums[1] else nan, updated)

    def _check_range(self, name: str, value: object) -> None:
        """Raises OptionError, on all ranks alike, for a number that the optimizer does not take."""
        trainer, part = self._trainer, self._trainer.job.config.procedure
        wanted = range_of(trainer.job.optimizer, name)
        if is_number(trainer.options[name]) and fault(value, wanted) is not None:
            assert part is not None
            error = OptionError(
                f"{part.where}: procedure {part.name!r}: expected {name} of the optimizer to be {expected(wanted)}, "
                f"got {shown(value)} in step {trainer.step + 1:,}"
            )
            raise on_all_ranks(error)

    def train_on(self) -> None:
        """Trains as the config says, to the end. A collective."""
        code = self._trainer.plain(self._voices)
        if code:
            raise Interrupted(code)

    def mark(self) -> Mark:
        """Returns a copy of all that training changes."""
        trainer = self._trainer
        return Mark(
            take_point(trainer, None, acted=True),
            take(trainer.replica),
            {name: own.copy() for name, own in trainer.update.slots.items()},
            {name: own.copy() for name, own in trainer.replica.exchange.slots.items()},
        )

    def rewind(self, mark: object) -> None:
        """Goes back to a mark. A collective. Time is not taken back: a run whose time limit is over stays stopped."""
        assert isinstance(mark, Mark)
        trainer = self._trainer
        over = trainer.limited
        go_back(trainer, mark.point._replace(folder=str(trainer.folder.path) if trainer.opened else None))
        if over:
            trainer.end_of_time()
        trainer.replica.restore((mark.snapshot.values, mark.snapshot.states))
        for name, own in trainer.update.slots.items():
            own[...] = mark.slots[name]
        for name, own in trainer.replica.exchange.slots.items():
            own[...] = mark.unsent[name]
        trainer.driver.drive(trainer.step)
        if trainer.opened:
            trainer.folder.cut_metrics(trainer.epoch)

    def note(self, **figures: Any) -> None:
        """Keeps figures for the summary."""
        self._trainer.noted |= figures

    def say(self, text: str) -> None:
        """Shows the user one line."""
        self._trainer.progress.line(text)


def start(trainer: Trainer, lead: Lead) -> None:
    """Asks the procedure whether it is for this run. A collective."""
    agree(trainer.communicator, partial(_start, trainer, lead))


def _start(trainer: Trainer, lead: Lead) -> None:
    procedure, part = trainer.job.procedure, trainer.job.config.procedure
    assert procedure is not None
    assert part is not None
    try:
        procedure.start(cast(Course, lead))
    except UserError as error:
        raise type(error)(f"{part.where}: {error}") from error


def follow(procedure: Procedure, lead: Lead) -> int:
    """Lets the procedure lead the run; returns the exit code that a signal asks for, or 0."""
    try:
        procedure.run(cast(Course, lead))
    except Interrupted as signal:
        return signal.code
    return 0


def check_resume(config: Config) -> None:
    """Raises ConfigError for a run that a procedure leads: what it has done so far stands in no checkpoint."""
    if config.procedure is not None:
        raise ConfigError(
            f"--resume: expected a run without [procedure], got {config.procedure.name!r}, which cannot be gone "
            "on with; start it anew with --overwrite"
        )
