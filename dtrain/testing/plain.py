"""Plain parts around the part under test."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import Initializer, Layer, Loss, Optimizer
from dtrain.engine import Context, Maker

if TYPE_CHECKING:
    from dtrain.types import Array, Backward, Shape

    from .subject import Subject


class Half(Initializer):
    """Half of what is drawn from the standard normal distribution."""

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Any) -> Array:
        return random.normal(shape, 0.0, 0.5)


class Linear(Layer):
    """y = s·(x·W + b), x (rows, …) → (rows, units): parameters of all roles, several blocks of them."""

    def __init__(self, units: int, initializer: Initializer) -> None:
        self.units, self.initializer = units, initializer

    def build(self, shape: Shape, make: Maker) -> Shape:
        self.weight = make.parameter("weight", (prod(shape), self.units), self.initializer)
        self.bias = make.parameter("bias", (self.units,), Half(), role="bias")
        self.scale = make.parameter("scale", (self.units,), Half(), role="scale")
        return (self.units,)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        flat, shape = x.reshape(len(x), self.weight.shape[0]), x.shape
        z = context.matmul(flat, self.weight.value) + self.bias.value

        def backward(dy: Array) -> Array:
            dz = dy * self.scale.value
            context.gradient(self.scale, lambda rows, out: np.sum(dy[rows] * z[rows], axis=0, out=out))
            context.gradient(self.bias, lambda rows, out: np.sum(dz[rows], axis=0, out=out))
            context.gradient(self.weight, lambda rows, out: np.matmul(flat[rows].T, dz[rows], out=out))
            return context.matmul(dz, self.weight.value.T).reshape(shape)

        return z * self.scale.value, backward


class Pull(Loss):
    """½ Σ (y − 1)² over a row: it needs no target."""

    def forward(self, y: Array, target: Array, context: Context) -> tuple[Array, Callable[[], Array]]:
        d = y - y.dtype.type(1)
        return 0.5 * np.einsum("ij,ij->i", *(d.reshape(len(y), prod(y.shape[1:])),) * 2), lambda: d


class Descent(Optimizer):
    """θ ← θ − lr·g."""

    lr = 0.05

    def update(self, value: Array, gradient: Array, context: Any, *slots: Array) -> None:
        gradient *= self.lr
        value -= gradient


class Shaped(Layer):
    """Gives the output the shape, and the range, that the part under test asks for."""

    def __init__(self, subject: Subject) -> None:
        self.shape, self.range = subject.flat_input, subject.range

    def build(self, shape: Shape, make: Maker) -> Shape:
        return self.shape

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        y = x.reshape(len(x), *self.shape)
        if self.range is None:
            return y, lambda dy: dy.reshape(x.shape)
        low, high = (x.dtype.type(end) for end in self.range)
        half = (high - low) / 2
        share = x.dtype.type(0.9)
        t = np.tanh(y)
        return low + half * (1 + share * t), lambda dy: (dy * half * share * (1 - t * t)).reshape(x.shape)
