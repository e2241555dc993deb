"""Backward is the derivative of forward, on the real line: at ordinary inputs and far out, where functions saturate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.engine import Context, Layout
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams

from .data import WIDE, Data, numbers, sample, wide
from .failure import Failure
from .passes import Options, cast_rows, short
from .rows import LayerRunner, run
from .slopes import check_slope

if TYPE_CHECKING:
    from dtrain.types import Array

    from .slopes import Function
    from .subject import Subject

ROWS = 5


def check_gradient_of_input(subject: Subject) -> None:
    """dx is the derivative of Σ y·dy with respect to x, for a layer; dy that of Σ values, for a loss.

    By central differences in float64, and to ten digits by complex steps, for a part that takes complex numbers.
    Inputs stay 0.05 away from zero. A part that declares a `surrogate` is not checked.
    """
    if not subject.surrogate:
        _check_input(subject, sample(subject, ROWS))


def check_gradient_of_parameters(subject: Subject) -> None:
    """What backward hands to context.gradient is the derivative of Σ y·dy with respect to each parameter."""
    if not subject.surrogate:
        _check_parameters(subject, sample(subject, ROWS))


def check_gradient_of_penalty(subject: Subject) -> None:
    """`gradient` adds the derivative of `penalty` to what is in `out` already."""
    if not subject.surrogate:
        _check_penalty(subject, sample(subject, 3).x.reshape(-1))


def check_wide_gradient(subject: Subject) -> None:
    """The same gradients at inputs from ±0.01 to ±30, or over all of the declared range: none is NaN there, or wrong.

    Of a part whose gradients are wrong at ordinary inputs, the other checks say so.
    """
    if subject.surrogate:
        return
    try:
        _check_all(subject, sample(subject, ROWS))
    except Failure:
        return
    try:
        _check_all(subject, wide(subject))
    except Failure as failure:
        if subject.range is not None:
            raise
        advice = f"{failure.what}; inputs up to ±{WIDE:g} are ordinary: declare `range` for a part that takes fewer"
        raise Failure(advice, failure.expected, failure.got) from failure


def _check_all(subject: Subject, data: Data) -> None:
    if subject.kind == "regularizers":
        _check_penalty(subject, data.x.reshape(-1))
        return
    _check_input(subject, data)
    if subject.is_layer:
        _check_parameters(subject, data)


def _check_input(subject: Subject, data: Data) -> None:
    if subject.whole:
        return
    rows = run(subject, SerialCommunicator(), data, [len(data.x)]).rows
    if subject.kind == "losses":
        check_slope(
            "dy", rows["dy"], data.x, lambda _: lambda y: _loss(subject, y, data.target), subject.complex
        )
        return
    if "dx" not in rows:
        raise Failure(
            "dx: expected an array, got None: backward may return None only where needs_dx is False"
        )
    check_slope("dx", rows["dx"], data.x, lambda dtype: _of_input(subject, dtype, data.dy), subject.complex)


def _check_parameters(subject: Subject, data: Data) -> None:
    got = run(subject, SerialCommunicator(), data, [len(data.x)]).totals
    runner = LayerRunner(subject, SerialCommunicator(), 1, Options())
    for index, parameter in enumerate(runner.network.parameters):
        name = f"gradient of {short(parameter.name)}"
        if parameter.trainable:
            value = np.array(parameter.value)
            of = _parameter_function(subject, data.x, data.dy, index)
            check_slope(name, got[name], value, of, subject.complex)


def _check_penalty(subject: Subject, value: Array) -> None:
    part = subject.make()
    before = numbers(value.shape, 5)
    out = before.copy()
    part.gradient(value, out)
    check_slope("gradient", out - before, value, lambda _: lambda v: part.penalty(v), False)


def _loss(subject: Subject, y: Array, target: Array | None) -> Any:
    context = Context(Totals(1, [(0, 1)], SerialCommunicator()), SampleStreams(0))
    context.begin(Layout(len(y), 1, 0, 1), training=True, step=0, epoch=0, place=0)
    context.layer = "losses"
    values, _ = subject.make().forward(y, target, context)
    return values[0] if isinstance(values, tuple) else values


def _forward(runner: LayerRunner, x: Array, dy: Array) -> Any:
    layout = runner.begin([len(x)])
    y, _ = runner.network.forward(cast_rows(x, layout, runner.options), runner.replica.context)
    runner.replica.context.rollback()
    return y * dy


def _of_input(subject: Subject, dtype: Any, dy: Array) -> Function:
    runner = LayerRunner(subject, SerialCommunicator(), 1, Options(dtype=dtype))
    return lambda x: _forward(runner, x, dy)


def _parameter_function(subject: Subject, x: Array, dy: Array, index: int) -> Callable[[Any], Function]:
    def of(dtype: Any) -> Function:
        runner = LayerRunner(subject, SerialCommunicator(), 1, Options(dtype=dtype))
        parameter = runner.network.parameters[index]

        def f(value: Array) -> Any:
            parameter.value[...] = value
            return _forward(runner, x, dy)

        return f

    return of
