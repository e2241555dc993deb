"""Calls everything that a part offers, in one process: what came is the same each time, or a check fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Context, Layout
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams, Stream

from .data import Data, numbers, sample
from .exchanges import exercise_exchange
from .passes import Options
from .rehearsal import Rehearsal
from .rows import ROW_KINDS, run
from .script import Script
from .solvers import play
from .toy import Parabola
from .updates import update

if TYPE_CHECKING:
    from dtrain.types import Array

    from .subject import Subject

SHAPES = [(), (5,), (3, 4), (3, 3, 2, 4)]
"""Of the parameters that an initializer is tried on, unless its example says `input`."""


class Pad:
    """An `UpdateContext` whose scratch holds NaN. wrap: is applied to what it hands out."""

    role = "weight"

    def __init__(self, dtype: Any, step: int, wrap: Callable[[Array], Array] = lambda array: array) -> None:
        self.step, self._dtype, self._wrap = step, dtype, wrap
        self.sums: tuple[float, ...] = ()

    def empty(self, count: int) -> Array:
        return self._wrap(np.full(count, np.nan, self._dtype))


def exercise(subject: Subject, options: Options | None = None, data: Data | None = None) -> dict[str, Any]:
    """Returns whatever a fresh part gives, by name."""
    options = options or Options()
    if subject.kind in ROW_KINDS:
        data = sample(subject, 6) if data is None else data
        passed = run(subject, SerialCommunicator(), data, _halves(len(data.x)), options)
        return passed.rows | passed.totals
    return _EXERCISES[subject.kind](subject, options, None if data is None else data.x)


def _halves(rows: int) -> list[int]:
    return [rows - rows // 2, rows // 2]


def _initializer(subject: Subject, options: Options, _: Any) -> dict[str, Any]:
    part = subject.make()
    values: dict[str, Any] = {
        f"values of shape {shape}": part(shape, (6, 4), Stream(options.seed, "init", i))
        for i, shape in enumerate(initial_shapes(subject))
    }
    if not part.calibrations:
        return values
    return values | {
        f"factor for outputs of {name}": np.array(part.calibrate(y, _lone_context(len(y))))
        for name, y in (("ordinary size", 3 * numbers((6, 4), 6)), ("zeros", np.zeros((6, 4))))
    }


def _lone_context(rows: int) -> Context:
    """Returns the context of one rank with one shard, in inference."""
    context = Context(Totals(1, [(0, 1)], SerialCommunicator()), SampleStreams(0))
    context.begin(Layout(rows, 1, 0, 1), training=False, step=0, epoch=0, place=0)
    return context


def initial_shapes(subject: Subject) -> list[tuple[int, ...]]:
    """Returns the shapes to try an initializer on."""
    return [subject.flat_input] if subject.given_input else list(SHAPES)


def _optimizer(subject: Subject, options: Options, x: Any) -> dict[str, Any]:
    if subject.sort == "solvers":
        return _solver(subject, options)
    part, dtype = subject.make(), options.dtype
    value = np.linspace(-2, 2, 9).astype(dtype)
    slots = [np.zeros(9, dtype) for _ in part.slots]
    for step in range(1, 4):
        gradient = numbers((9,), step) if x is None else np.resize(x, 9)
        update(part, value, gradient.astype(dtype), Pad(dtype, step), slots)
    return {"value": value} | dict(zip(part.slots, slots, strict=True))


def _solver(subject: Subject, options: Options) -> dict[str, Any]:
    part = subject.make()
    problem = Parabola(part, dtype=options.dtype, frozen=options.frozen)
    return {"value": play(part, problem)} | dict(problem.slots)


def _regularizer(subject: Subject, options: Options, x: Any) -> dict[str, Any]:
    part = subject.make()
    value = np.array(vector(subject) if x is None else x.reshape(-1), options.dtype)
    value.setflags(write=not options.frozen)
    out = np.ones_like(value)
    part.gradient(value, out)
    found = {"penalty": part.penalty(value), "gradient": out}
    if part.decoupled:
        found["values after decay"] = np.array(value)
        part.decay(found["values after decay"], 0.1)
    return found


def vector(subject: Subject) -> Array:
    """Returns 1-D values for a regularizer, none within 0.05 of zero."""
    return sample(subject, 3).x.reshape(-1)


def _schedule(subject: Subject, *_: Any) -> dict[str, Any]:
    part = subject.make()
    factors = []
    for step in range(20):
        factors.append(part(step, 20, step / 4))
        if step % 4 == 3:
            part.observe(1.0 if step > 8 else 1 / (1 + step))
    return {"factors": np.array(factors), "factor of a run of one step": np.array(subject.make()(0, 1, 0.0))}


def _dataset(subject: Subject, options: Options, _: Any) -> dict[str, Any]:
    part = subject.make()
    found: dict[str, Any] = {}
    for name in ("train", "validation"):
        rows = getattr(part, name)
        if rows is not None:
            count = len(rows)
            indices = np.array([count - 1, 0, count // 2, 0], np.int64)
            indices.setflags(write=not options.frozen)
            a, b = rows.rows(indices)
            found |= {f"{name} x": a} | ({} if b is None else {f"{name} y": b})
    return found


def _callback(subject: Subject, *_: Any) -> dict[str, Any]:
    run = Script()
    run.play(subject.make(), 12)
    return {"decisions": run.decisions}


def _procedure(subject: Subject, *_: Any) -> dict[str, Any]:
    course, part = Rehearsal(), subject.make()
    part.start(course)
    part.run(course)
    return {"decisions": course.decisions, "left": np.array(course.at)}


def _exchange(subject: Subject, options: Options, _: Any) -> dict[str, Any]:
    return exercise_exchange(subject, options.dtype)


_EXERCISES: dict[str, Callable[[Subject, Options, Any], dict[str, Any]]] = {
    "initializers": _initializer,
    "optimizers": _optimizer,
    "regularizers": _regularizer,
    "schedules": _schedule,
    "datasets": _dataset,
    "callbacks": _callback,
    "exchanges": _exchange,
    "procedures": _procedure,
}
