"""What each method returns is of the kind that the contract says: called once, looked at before anything uses it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.contracts import Output, Target
from dtrain.engine import Context, Layout
from dtrain.engine.maker import Inventory, build_layer
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams, Stream
from dtrain.trainer.fit import check_part

from .data import inputs, numbers, sample
from .exercise import Pad, initial_shapes, vector
from .failure import Failure, differ
from .guard import NAME, initializer_of, split
from .toy import Parabola
from .two_ranks import check_exchange

if TYPE_CHECKING:
    from .subject import Subject

ROWS = 4
_RETURN = "is its `return` missing?"


def check_returns(subject: Subject) -> None:
    """Raises Failure for the first thing that is of another kind than the contract's."""
    if subject.sort in _CHECKS:
        _CHECKS[subject.sort](subject)


def _context() -> Context:
    context = Context(Totals(1, [(0, 1)], SerialCommunicator()), SampleStreams(0))
    context.begin(Layout(ROWS, 1, 0, 1), training=True, step=0, epoch=0, place=0)
    context.layer = NAME
    return context


def _kind(value: Any) -> str:
    """Returns words for what came."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return "None" if value is None else f"a {type(value).__name__}"


def _pair(what: str, value: Any, form: str) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise differ(
            f"what {what} returns", f"the pair {form}", _kind(value), f"end it by `return {form[1:-1]}`"
        )
    return value


def _array(what: str, value: Any, rows: int, advice: str = "") -> Any:
    if value is None:
        raise differ(what, "an array", "None", _RETURN)
    if not isinstance(value, np.ndarray):
        raise differ(what, "an array", _kind(value), advice or "return a NumPy array, np.asarray(…)")
    if not value.ndim:
        raise differ(
            what, f"an array of {rows} rows", "a single number", advice or "one row for each row of x"
        )
    if len(value) != rows:
        raise differ(f"rows of {what}", rows, len(value), advice or "one for each row of x")
    return value


def _lifted(value: Any) -> Any:
    """Returns a number as an array of no dimension, and anything else as it is."""
    return np.asarray(value) if isinstance(value, Real) else value


def _number(what: str, value: Any, advice: str = _RETURN) -> None:
    if not isinstance(value, Real):
        raise differ(what, "a number", _kind(value), advice if value is None else "return float(…)")


def _callable(what: str, value: Any, *arguments: Any) -> None:
    """Raises Failure unless the value is a function that can be called so."""
    call = f"backward({', '.join('dy' for _ in arguments)})"
    if not callable(value):
        raise differ(what, f"the function {call}", _kind(value), "return the function, do not call it")
    try:
        inspect.signature(value).bind(*arguments)
    except TypeError as error:
        raise Failure(f"{what}: it is called as {call}, and cannot be: {error}") from error
    except ValueError:  # a function of NumPy's, whose signature is not known
        return


def _layer(subject: Subject) -> None:
    inventory, layer = Inventory(np.float64, initializer_of(subject)), subject.make()
    shapes: Any = subject.inputs or [subject.flat_input]
    try:
        build_layer(inventory, layer, shapes[0] if len(shapes) == 1 else tuple(shapes), NAME)
    except TypeError as error:
        if "must return a tuple" not in str(error):
            raise
        raise Failure(f"{error}; {_RETURN} Its last line returns the shape of one sample of y") from error
    for parameter in inventory.parameters.values():
        parameter._value = np.ones(parameter.shape)
    context = _context()
    context.gradient = _gradient  # type: ignore[method-assign]
    context.gradient_total = _total  # type: ignore[method-assign]
    y, backward = _pair(
        "forward", layer.forward(split(subject, inputs(subject, ROWS)), context), "(y, backward)"
    )
    y = _array("y", y, ROWS)
    if y.dtype.kind != "f":
        raise differ("dtype of y", "that of x, a float", y.dtype, "y = ….astype(x.dtype)")
    _callable("the second that forward returns", backward, y)
    dx = backward(np.ones_like(y))
    if subject.inputs is not None and (not isinstance(dx, tuple) or len(dx) != len(subject.inputs)):
        raise differ(
            "what backward returns",
            f"a tuple of {len(subject.inputs)} gradients",
            _kind(dx),
            "one for each input",
        )
    for one in dx if isinstance(dx, tuple) else () if dx is None else (dx,):
        _array("dx", one, ROWS)


def _total(parameter: Any, total: Any) -> None:
    """Stands in for `context.gradient_total`."""
    if np.shape(total) != parameter.shape:
        raise differ(
            f"context.gradient_total of {parameter.name}",
            f"an array of shape {parameter.shape}",
            _kind(total),
        )


def _gradient(parameter: Any, of: Any) -> None:
    """Stands in for `context.gradient`."""
    if not callable(of):
        raise differ(
            f"context.gradient of {parameter.name}", "a function of(rows, out)", _kind(of),
            "hand in lambda rows, out: np.sum(dy[rows], axis=0, out=out); what context.sum gave goes to "
            "context.gradient_total",
        )  # fmt: skip
    out = np.full(parameter.shape, np.nan)
    if of(slice(0, ROWS), out) is not None and out.size and np.isnan(out).all():
        raise Failure(
            f"of(rows, out) for {parameter.name} returns its result, which nothing uses: write it into `out`"
        )


def _loss(subject: Subject) -> None:
    data, loss = sample(subject, ROWS), subject.make()
    check_part(loss, Target(data.target), Output(data.x.shape[1:]))
    values, backward = _pair("forward", loss.forward(data.x, data.target, _context()), "(values, backward)")
    advice = "a loss gives one number a row, and takes no mean or sum over rows: the engine divides once"
    for name, given in zip(
        ("values", "weights"), values if isinstance(values, tuple) else (values,), strict=False
    ):
        array = _array(name, _lifted(given), ROWS, advice)
        if array.ndim > 1:
            raise differ(
                f"shape of {name}", (ROWS,), array.shape, "sum over a row's own places, or take their mean"
            )
    _callable("the second that forward returns", backward)
    dy = _array("dy", backward(), ROWS)
    if dy.shape != data.x.shape:
        raise differ("shape of dy", data.x.shape, dy.shape, "dy has the shape of y")


def _metric(subject: Subject) -> None:
    data, metric = sample(subject, ROWS), subject.make()
    advice = "forward gives one number a row, or k of them, which the engine adds; `result` makes the figure"
    values = metric.forward(data.x, data.target, _context())
    values = _array("values", _lifted(values), ROWS, advice)
    _number(
        "result(sums, count)", metric.result(values.reshape(ROWS, -1).astype(np.float64).sum(axis=0), ROWS)
    )


def _transform(subject: Subject) -> None:
    data = sample(subject, ROWS)
    x, y = _pair("forward", subject.make().forward(data.x.copy(), data.target, _context()), "(x, y)")
    advice = "a transform gives back as many rows as came: change samples, drop none, add none"
    _array("x", x, ROWS, advice)
    if data.target is not None:
        _array("y", y, ROWS, advice)
    elif y is not None:
        raise differ("y", "None, as it came", _kind(y), "return y as it is where there is no target")


def _initializer(subject: Subject) -> None:
    for number, shape in enumerate(initial_shapes(subject)):
        values = subject.make()(shape, (6, 4), Stream(0, "init", number))
        if not isinstance(values, (np.ndarray, np.generic, float)):
            advice = _RETURN if values is None else "return an array, random.normal(shape, …)"
            raise differ(f"values for the shape {shape}", "an array", _kind(values), advice)


def _optimizer(subject: Subject) -> None:
    part = subject.make()
    value, gradient, pad = numbers((9,), 1), numbers((9,), 2), Pad(np.float64, 1)
    slots = [np.zeros(9) for _ in part.slots]
    if part.sums_over and (count := part.sums()):
        pairs = part.measure(value, gradient, pad, *slots)
        if not isinstance(pairs, tuple) or [len(pair) for pair in pairs] != [2] * count:
            raise differ(
                "what measure returns", f"a tuple of {count} pairs of arrays", repr(type(pairs).__name__),
                "return ((a, b),) for one sum of a·b",
            )  # fmt: skip


def _solver(subject: Subject) -> None:
    solver = subject.make()
    problem = Parabola(solver)
    _array(
        "what solve returns",
        solver.solve(problem),
        problem.size,
        "return the new value, as long as problem.value",
    )


def _schedule(subject: Subject) -> None:
    _number("the factor", subject.make()(0, 10, 0.0))
    _json(subject.make().state())


def _regularizer(subject: Subject) -> None:
    part, value = subject.make(), vector(subject)
    _number("what penalty returns", part.penalty(value))
    out = np.zeros_like(value)
    returned = part.gradient(value, out)
    if returned is not None and not out.any():
        raise Failure(
            f"gradient returns {_kind(returned)}, which nothing uses, and leaves `out` as it is: write out += …"
        )


def _dataset(subject: Subject) -> None:
    part = subject.make()
    if getattr(part, "train", None) is None:
        raise differ("self.train", "samples", "none", "set self.train = ArrayRows(x, y) in __init__")
    for name in ("train", "validation"):
        rows = getattr(part, name)
        if rows is None:
            continue
        for wanted in ("__len__", "shape", "whole", "rows"):
            if not hasattr(rows, wanted) or isinstance(rows, np.ndarray):
                raise differ(
                    f"self.{name}", "samples with len(…), shape, whole and rows(indices)",
                    f"{_kind(rows)} without {wanted!r}", "take ArrayRows(x, y) for arrays",
                )  # fmt: skip
        x, y = _pair(f"rows of self.{name}", rows.rows(np.zeros(1, np.int64)), "(x, y)")
        _array(f"x of self.{name}", x, 1)
        if y is not None:
            _array(f"y of self.{name}", y, 1)


def _callback(subject: Subject) -> None:
    _json(subject.make().state())


def _json(state: Any) -> None:
    if not isinstance(state, dict):
        raise differ("what state returns", "a dict of JSON values", _kind(state), _RETURN)


_CHECKS: dict[str, Callable[[Subject], None]] = {
    "layers": _layer,
    "activations": _layer,
    "losses": _loss,
    "metrics": _metric,
    "transforms": _transform,
    "initializers": _initializer,
    "optimizers": _optimizer,
    "solvers": _solver,
    "schedules": _schedule,
    "regularizers": _regularizer,
    "datasets": _dataset,
    "callbacks": _callback,
    "exchanges": check_exchange,
}
