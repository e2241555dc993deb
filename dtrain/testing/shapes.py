"""Results have the shapes that were promised."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.engine.maker import Inventory, build_layer
from dtrain.random import Stream

from .data import sample
from .exercise import initial_shapes
from .failure import check_equal, differ
from .guard import initializer_of
from .passes import Options
from .rows import run

if TYPE_CHECKING:
    from dtrain.types import Array

    from .subject import Subject

_BUILD = "build must return the shape of one output sample, without the rows"


def check_shape(subject: Subject) -> None:
    """The shapes of all results are those of the contract, also of one row and beside an empty shard."""
    _CHECKS[subject.kind](subject)


def _layer(subject: Subject) -> None:
    shapes: Any = subject.inputs or [subject.flat_input]
    inventory = Inventory(np.float64, initializer_of(subject))
    promised = build_layer(
        inventory, subject.make(), shapes[0] if len(shapes) == 1 else tuple(shapes), "layer"
    )
    if subject.kind == "activations":
        check_equal(
            "shape of an activation's output", subject.flat_input, promised, "an activation keeps its shape"
        )
    seen: list[tuple[str, tuple[int, ...]]] = []
    for training in (True, False):
        for sizes in ([3, 2], [1, 0]):
            options = Options(training=training, look=lambda name, a: seen.append((name, np.shape(a)[1:])))
            run(subject, SerialCommunicator(), sample(subject, sum(sizes)), sizes, options)
    inputs = [tuple(shape) for shape in shapes]
    for name, shape in seen:
        if name == "y":
            check_equal("shape of a sample of y", promised, shape, _BUILD)
        elif shape not in inputs:
            raise differ("shape of a sample of dx", inputs[0], shape, "dx has the shape of x")


def _loss(subject: Subject) -> None:
    for rows in (5, 1):
        got = run(subject, SerialCommunicator(), sample(subject, rows), [rows]).rows
        for name in {"values", "weights"} & got.keys():
            check_equal(f"shape of {name} for {rows} rows", (rows,), got[name].shape, "one number a row")
        check_equal(
            f"shape of dy for {rows} rows", (rows, *subject.flat_input), got["dy"].shape, "dy has y's shape"
        )
        used = run(subject, SerialCommunicator(), sample(subject, rows), [rows], Options(training=False)).rows
        check_equal("rows of predict(y)", rows, len(used["predict"]))


def _metric(subject: Subject) -> None:
    for rows in (5, 1):
        values = run(subject, SerialCommunicator(), sample(subject, rows), [rows]).rows["values"]
        check_equal(f"rows of values for {rows} rows", (rows,), values.shape[:1], "one number, or k, a row")
        if values.ndim > 2:
            raise differ("values", "(rows,) or (rows, k)", values.shape, "sum over a row's own places")


def _transform(subject: Subject) -> None:
    for rows in (5, 1):
        data = sample(subject, rows)
        got = run(subject, SerialCommunicator(), data, [rows]).rows
        check_equal("shape of x", data.x.shape, got["x"].shape, "the network was built for the data's shape")
        if data.target is not None:
            shape = got["target"].shape
            check_equal(
                "shape of the target",
                data.target.shape,
                shape[:-1] if _are_distributions(data.target, got["target"]) else shape,
                "targets keep their shape, unless classes become distributions over them",
            )


def _are_distributions(classes: Array, target: Array) -> bool:
    return classes.dtype.kind in "iu" and target.dtype.kind == "f" and target.ndim == classes.ndim + 1


def _initializer(subject: Subject) -> None:
    for i, shape in enumerate(initial_shapes(subject)):
        values = subject.make()(shape, (6, 4), Stream(0, "init", i))
        check_equal("shape of the values", shape, np.shape(values), "return an array of the shape asked for")


def _dataset(subject: Subject) -> None:
    part = subject.make()
    for name in ("train", "validation"):
        rows = getattr(part, name)
        for count in (0, 1, 3) if rows is not None else ():
            x, y = rows.rows(np.arange(count) % len(rows))
            check_equal(
                f"shape of x of {count} {name} samples",
                (count, *rows.shape),
                x.shape,
                "len and shape as declared",
            )
            if y is not None:
                check_equal(
                    f"rows of y of {count} {name} samples", count, len(y), "as many targets as samples"
                )


_CHECKS: dict[str, Callable[[Subject], None]] = {
    "layers": _layer,
    "activations": _layer,
    "losses": _loss,
    "metrics": _metric,
    "transforms": _transform,
    "initializers": _initializer,
    "datasets": _dataset,
}
