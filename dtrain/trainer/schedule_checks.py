"""What schedules would do to an optimizer's options, found out before the first step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dtrain.contracts import Schedule, number_options
from dtrain.errors import ConfigError, OptionError, did_you_mean, listed
from dtrain.options import is_number, numbers_in

from .schedules import Driver, driver_of

if TYPE_CHECKING:
    from dtrain.config import SchedulePart

    from .job import Job

MOST = 10_000
"""Of a longer run, so many steps are asked for, evenly over it, and those at which a schedule may turn."""


def check_schedules(job: Job) -> None:
    """Raises ConfigError for an option that cannot be driven, and for one that schedules drive out of its range.

    Asked are all steps of the run, and schedules that depend on what they observe as they are at the start. Then
    the optimizer is built with the least and the greatest value, for what its `__init__` alone refuses.
    """
    if not job.schedules:
        return
    for part in job.config.schedules:
        _check_option(part, job)
    driver, asked = driver_of(job), asked_of(job)
    try:
        with driver.trial():
            for of in driver.driven:
                values = {step: driver.value(of, step) for step in asked}
                for step in {min(asked, key=values.__getitem__), max(asked, key=values.__getitem__)}:
                    _check_built(job, driver, of, step, values[step])
    except OptionError as error:
        raise ConfigError(str(error)) from error


def _check_option(part: SchedulePart, job: Job) -> None:
    name = job.config.optimizer.name
    numbers = {key: value for key, value in vars(job.optimizer).items() if is_number(value) and key[0] != "_"}
    hints = number_options(type(job.optimizer))
    real = [key for key in numbers if key not in hints or float in numbers_in(hints[key])]
    if part.of not in numbers:
        raise ConfigError(
            f"{part.where} of: expected a number among the options of the optimizer {name!r}, got {part.of!r}"
            f"{did_you_mean(part.of, real)}; it has {listed(real)}"
        )
    if part.of not in real:
        raise ConfigError(
            f"{part.where} of: expected an option that takes any number in a range, got {part.of!r} of the "
            f"optimizer {name!r}, which takes whole numbers; it has {listed(real)}"
        )
    if numbers[part.of] == 0:
        raise ConfigError(
            f"{part.where} of: expected an option that is not 0 at the start, got {part.of} = 0 of the optimizer "
            f"{name!r}, which every factor leaves at 0; set it in [optimizer], or leave the schedule out"
        )


def _check_built(job: Job, driver: Driver, of: str, step: int, value: float) -> None:
    part = job.config.optimizer
    try:
        job.registry.bind("optimizers", part.name, {**part.options, of: value}, part.where).build()
    except ConfigError as error:
        why = f" ({error.__cause__ or error})"
        raise driver.refusal(of, step, value, "to stay what it can be built with", why) from error


def asked_of(job: Job) -> list[int]:
    """Returns the steps of a job at which its schedules are asked."""
    units = [1 if part.unit == "step" else job.steps_per_epoch for part in job.config.schedules]
    return steps_to_ask(job.steps, list(zip(job.schedules, units, strict=True)))


def steps_to_ask(steps: int, schedules: Iterable[tuple[Schedule, int]]) -> list[int]:
    """Returns the steps of a run at which schedules are asked; each comes with the number of steps in its unit."""
    if steps <= MOST:
        return list(range(steps))
    asked = {i * (steps - 1) // (MOST - 1) for i in range(MOST)}
    for schedule, unit in schedules:
        for turn in _turns(schedule, -(-steps // unit)):
            asked.update(turn * unit + near for near in (-1, 0, 1))
    return sorted(step for step in asked if 0 <= step < steps)


def _turns(schedule: Schedule, length: int) -> set[int]:
    """Returns where a schedule may turn by its own numbers: counts, shares of the run, and those of another in it."""
    turns: set[int] = set()
    nested: set[int] = set()
    for value in _flat(vars(schedule).values()):
        if isinstance(value, Schedule):
            nested |= _turns(value, length)
        elif is_number(value) and 0 < value < length:
            turns.add(round(value * length if value < 1 else value))
    return turns | nested | {a + b for a in turns for b in nested}


def _flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        else:
            yield value
