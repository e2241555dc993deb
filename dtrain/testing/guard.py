"""A layer around the layer under test: shows each raw result, and mends what is another check's business."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.contracts import Initializer, Layer
from dtrain.engine import Context, Layout, Network
from dtrain.engine.maker import Inventory, Maker, build_layer
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams

from .data import inputs

if TYPE_CHECKING:
    from dtrain.types import Array, Backward, Shape

    from .subject import Subject

Look = Callable[[str, Any], None]
"""(name, result) of each raw result of a part: before it is copied, or mended."""

NAME = "layer"
"""What the layer under test is called in its network."""


class Guard(Layer):
    """The layer under test. `shape`: of its output; None leaves what `build` says."""

    def __init__(self, layer: Layer, shape: Shape | None, look: Look | None = None) -> None:
        self.layer, self.shape, self.look = layer, shape, look

    def build(self, shape: Any, make: Maker) -> Shape:
        promised = self.layer.build(shape, make)
        self.fits = self.layer.fits
        return promised if self.shape is None else self.shape

    def forward(self, x: Any, context: Context) -> tuple[Array, Backward]:
        self.layer.needs_dx = self.needs_dx
        y, back = self.layer.forward(x, context)
        self._show("y", y)
        many = isinstance(x, tuple)
        dtype = x[0].dtype if many else x.dtype

        def backward(dy: Array) -> Any:
            dx = back(dy)
            self._show("dx", dx)
            return tuple(_mended(part, dtype) for part in dx) if many else _mended(dx, dtype)  # type: ignore[union-attr]

        return _mended(y, dtype), backward

    def fit(self, batches: Iterable[Any], context: Context) -> None:
        self.layer.fit(batches, context)

    def _show(self, name: str, result: Any) -> None:
        if self.look is not None:
            for part in result if isinstance(result, tuple) else (result,):
                self.look(name, part)


class Column(Layer):
    """One of several inputs, cut out of x: x (rows, all) → y (rows, *shape)."""

    inputs = ("input",)

    def __init__(self, start: int, stop: int, shape: Shape) -> None:
        self.columns, self.shape = slice(start, stop), shape

    def build(self, shape: Shape, make: Maker) -> Shape:
        return self.shape

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        def backward(dy: Array) -> Array:
            dx = np.zeros_like(x)
            dx[:, self.columns] = dy.reshape(len(x), -1) if len(x) else 0
            return dx

        y = np.ascontiguousarray(x[:, self.columns]).reshape(len(x), *self.shape)
        y.setflags(write=x.flags.writeable)
        return y, backward


def network(subject: Subject, dtype: Any, look: Look | None = None, needs_dx: bool = True) -> Network:
    """Returns a network of the one layer under test, fresh."""
    guard = Guard(subject.make(), subject.output, look)
    layers: list[tuple[str, Layer]] = []
    for i, (a, b) in enumerate(pairwise(accumulate(map(prod, subject.inputs or ()), initial=0))):
        layers.append((f"part_{i}", Column(a, b, (subject.inputs or [])[i])))
    guard.inputs = guard.layer.inputs = tuple(name for name, _ in layers)
    layers.append((NAME, guard))
    return Network(layers, subject.flat_input, dtype, initializer_of(subject), needs_dx=needs_dx)


def initializer_of(subject: Subject) -> Callable[[str], Initializer]:
    """Returns what finds an initializer for a layer that asks by name."""
    from .subject import installed

    registry = subject.registry or installed()
    return lambda name: registry.bind("initializers", name, {}, "[[network]]").build()


def true_output(subject: Subject) -> Shape:
    """Returns the shape of one output sample as a forward pass shows it."""
    inventory = Inventory(np.float64, initializer_of(subject))
    layer = subject.make()
    shapes: Any = subject.inputs or [subject.flat_input]
    build_layer(inventory, layer, shapes[0] if len(shapes) == 1 else tuple(shapes), NAME)
    for parameter in inventory.parameters.values():
        parameter._value = np.ones(parameter.shape)
    context = Context(Totals(1, [(0, 1)], SerialCommunicator()), SampleStreams(0))
    context.begin(Layout(2, 1, 0, 1), training=False, step=0, epoch=0, place=0)
    context.layer = NAME
    y, _ = layer.forward(split(subject, inputs(subject, 2)), context)
    return tuple(y.shape[1:])


def split(subject: Subject, x: Array) -> Any:
    """Returns x as the layer takes it: one array, or a tuple of them."""
    if subject.inputs is None:
        return x
    sizes = list(map(prod, subject.inputs))
    parts = np.split(x, list(accumulate(sizes))[:-1], axis=1)
    return tuple(
        np.ascontiguousarray(part).reshape(len(x), *shape)
        for part, shape in zip(parts, subject.inputs, strict=True)
    )


def _mended(array: Any, dtype: Any) -> Any:
    return array if array is None else np.ascontiguousarray(array, dtype)
