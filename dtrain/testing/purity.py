"""What is given is not written, and inference neither draws nor changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dtrain.communicator import SerialCommunicator

from .data import Data, sample
from .exercise import exercise
from .failure import Failure, check_near, check_same_bits
from .passes import Options
from .rows import ROW_KINDS, LayerRunner, run

if TYPE_CHECKING:
    from dtrain.engine import Context

    from .subject import Subject

_WRITTEN = "x, dy and targets belong to other layers: compute into a new array, or into context.empty(x.shape, x.dtype)"


def check_inputs_not_written(subject: Subject) -> None:
    """Everything that is handed in is read-only, parameters too: a write raises."""
    data = sample(subject, 6) if subject.kind in ROW_KINDS else None
    modes = (True, False) if subject.kind in ROW_KINDS else (True,)
    try:
        for training in modes:
            options = Options(frozen=True, training=training)
            exercise(subject, options, data)
            if subject.is_layer and data is not None:
                _run_with_frozen_parameters(subject, options, data)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise Failure(f"the part writes an array that it was given ({error}); {_WRITTEN}") from error


def _run_with_frozen_parameters(subject: Subject, options: Options, data: Data) -> None:
    runner = LayerRunner(subject, SerialCommunicator(), 2, options)
    for parameter in runner.network.parameters:
        value = parameter.value.view()
        value.setflags(write=False)
        parameter._value = value
    runner.run(data, [4, 2])


def check_inference(subject: Subject) -> None:
    """In inference nothing is drawn, no state changes, and a row's output depends on that row alone."""
    data = sample(subject, 5)
    options = Options(training=False, prepare=_no_draws)
    if not subject.is_layer:
        run(subject, SerialCommunicator(), data, [3, 2], options)
        return
    runner = LayerRunner(subject, SerialCommunicator(), 2, options)
    values = [parameter.value.copy() for parameter in runner.network.parameters]
    states = [state.value.copy() for state in runner.network.states]
    first = runner.run(data, [3, 2])
    second = runner.run(data, [3, 2])
    check_same_bits(
        "y of a second pass in inference", first.rows["y"], second.rows["y"], "keep nothing from pass to pass"
    )
    things: list[tuple[Any, Any]] = [*zip(runner.network.parameters, values, strict=True)]
    things += zip(runner.network.states, states, strict=True)
    for thing, before in things:
        check_same_bits(
            f"{thing.name} after inference", before, thing.value, "change it where context.training only"
        )
    for row in range(len(data.x)):
        alone = Data(data.x[row : row + 1], None, data.dy[row : row + 1])
        y = runner.run(alone, [1, 0]).rows["y"]
        check_near(f"y of row {row} alone, in inference", first.rows["y"][row : row + 1], y, 1e-10, _ALONE)


_ALONE = "statistics of the batch are for training; inference uses what a state kept of them"


def _no_draws(context: Context) -> None:
    for name in ("uniform", "normal", "bernoulli", "stream"):
        setattr(context, name, _refuse(name))


def _refuse(name: str) -> Any:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Failure(f"the part calls context.{name} in inference; draw where context.sampling only")

    return refuse
