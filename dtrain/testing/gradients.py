"""Backward is the derivative of forward: by complex steps to 1e-10, or by differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Context, Layout
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams

from .data import numbers, sample
from .exercise import vector
from .failure import Failure
from .passes import Options, cast_rows, short
from .rows import LayerRunner, run
from .slopes import check_slope

if TYPE_CHECKING:
    from dtrain.types import Array

    from .slopes import Function
    from .subject import Subject

SIZES = [5]


def check_gradient_of_input(subject: Subject) -> None:
    """dx is the derivative of Σ y·dy with respect to x, for a layer; dy that of Σ values, for a loss.

    Inputs stay 0.05 away from zero; where differences are taken, the slope of either side of a kink will do.
    """
    if subject.whole:
        return
    data = sample(subject, sum(SIZES))
    if subject.kind == "losses":
        got = run(subject, SerialCommunicator(), data, SIZES).rows["dy"]
        check_slope("dy", got, data.x, lambda _: lambda y: _loss(subject, y, data.target), subject.complex)
        return
    rows = run(subject, SerialCommunicator(), data, SIZES).rows
    if "dx" not in rows:
        raise Failure(
            "dx: expected an array, got None: backward may return None only where needs_dx is False"
        )
    check_slope("dx", rows["dx"], data.x, lambda dtype: _of_input(subject, dtype, data.dy), subject.complex)


def check_gradient_of_parameters(subject: Subject) -> None:
    """What backward hands to context.gradient is the derivative of Σ y·dy with respect to each parameter."""
    data = sample(subject, sum(SIZES))
    got = run(subject, SerialCommunicator(), data, SIZES).totals
    runner = LayerRunner(subject, SerialCommunicator(), len(SIZES), Options())
    for index, parameter in enumerate(runner.network.parameters):
        name = f"gradient of {short(parameter.name)}"
        if parameter.trainable:
            value = np.array(parameter.value)
            of = _parameter_function(subject, data.x, data.dy, index)
            check_slope(name, got[name], value, of, subject.complex)


def check_gradient_of_penalty(subject: Subject) -> None:
    """`gradient` adds the derivative of `penalty`, by differences, to what is in `out` already."""
    part, value = subject.make(), vector(subject)
    before = numbers(value.shape, 5)
    out = before.copy()
    part.gradient(value, out)
    check_slope("gradient", out - before, value, lambda _: lambda v: part.penalty(v), False)


def _loss(subject: Subject, y: Array, target: Array | None) -> Any:
    context = Context(Totals(1, [(0, 1)], SerialCommunicator()), SampleStreams(0))
    context.begin(Layout(len(y), 1, 0, 1), training=True, step=0, epoch=0, place=0)
    context.layer = "losses"
    values, _ = subject.make().forward(y, target, context)
    return np.sum(values[0] if isinstance(values, tuple) else values)


def _forward(runner: LayerRunner, x: Array, dy: Array) -> Any:
    layout = runner.begin(SIZES)
    y, _ = runner.network.forward(cast_rows(x, layout, runner.options), runner.replica.context)
    runner.replica.context.rollback()
    return np.sum(y * dy)


def _of_input(subject: Subject, dtype: Any, dy: Array) -> Function:
    runner = LayerRunner(subject, SerialCommunicator(), len(SIZES), Options(dtype=dtype))
    return lambda x: _forward(runner, x, dy)


def _parameter_function(subject: Subject, x: Array, dy: Array, index: int) -> Callable[[Any], Function]:
    def of(dtype: Any) -> Function:
        runner = LayerRunner(subject, SerialCommunicator(), len(SIZES), Options(dtype=dtype))
        parameter = runner.network.parameters[index]

        def f(value: Array) -> Any:
            parameter.value[...] = value
            return _forward(runner, x, dy)

        return f

    return of
