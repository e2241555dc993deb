"""Warnings about a job before its first step: choices that train, but probably not as intended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dtrain.contracts import Schedule, Solver, ValueExchange

from .outputs import limits
from .schedule_checks import asked_of
from .schedules import driver_of

if TYPE_CHECKING:
    from .job import Job


def advice_on(job: Job) -> list[str]:
    """Returns warnings, one line each."""
    limited = limits(job.loss, job.network.output, job.config.loss.place)
    return [*limited, *_solver_on_parts(job), *_rare_meetings(job), *_idle_schedules(job)]


def _solver_on_parts(job: Job) -> Iterator[str]:
    """A solver keeps what it learned of one function: the loss of a batch is another one in every step."""
    config, samples = job.config, len(job.train)
    if not isinstance(job.optimizer, Solver):
        return
    if config.train.batch_size < samples:
        got, way = f"batches of {config.train.batch_size}", f"batch_size = {samples}"
    elif config.train.order == "replacement":
        got, way = "samples drawn anew for every batch", 'order = "shuffled"'
    else:
        return
    yield (
        f"optimizer {config.optimizer.name!r} is made for the loss of all {samples} samples, and gets {got}: it may "
        f"diverge; set [train] {way}, or take another optimizer"
    )


def _rare_meetings(job: Job) -> Iterator[str]:
    exchange, per_epoch = job.exchange, job.steps_per_epoch
    if isinstance(exchange, ValueExchange) and exchange.interval > per_epoch:
        yield (
            f"exchange {job.config.train.exchange.name!r}: interval {exchange.interval} is never reached: ranks meet "
            f"at the end of every epoch, which has {per_epoch} updates"
        )


def _idle_schedules(job: Job) -> Iterator[str]:
    driver = driver_of(job)
    for i, (schedule, part) in enumerate(zip(job.schedules, job.config.schedules, strict=True)):
        length = job.steps if part.unit == "step" else -(-job.steps // job.steps_per_epoch)
        remark = schedule.remark(length)
        observes = type(schedule).observe is not Schedule.observe
        if not remark and not observes and length > 1:
            with driver.trial():
                first = driver.factor(i, 0)
                idle = all(driver.factor(i, step) == first for step in asked_of(job))
            remark = f"the factor is {first:.6g} all along" if idle else ""
        if remark:
            unit = "updates" if part.unit == "step" else "epochs"
            yield f"schedule {part.name!r} of {part.of}: {remark}, in this run of {length:,} {unit}"
