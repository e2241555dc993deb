"""Another shape than was promised."""

from __future__ import annotations

import numpy as np

from dtrain import Activation, Initializer, Layer, Transform

from .right import Hits, Line, Square
from .table import broken


@broken("layers", "shape")
class Twice(Layer):
    """Gives twice what it promised."""

    def forward(self, x, context):
        return np.concatenate((x, x), axis=-1), lambda dy: dy[:, : x.shape[1]] + dy[:, x.shape[1] :]


@broken("activations", "shape")
class NoActivation(Activation):
    """Honest about its shape, which no activation changes."""

    def build(self, shape, make):
        return (2 * shape[0],)

    forward = Twice.forward


@broken("losses", "shape")
class PredictsTooFew(Square):
    def predict(self, y):
        return y[:1]


@broken("metrics", "shape", "same_bits", "state")
class SquareOfEachRow(Hits):
    def forward(self, y, target, context):
        return y[:, :, None] * y[:, None, :]


@broken("initializers", "shape")
class Transposed(Initializer):
    examples = [{"input": (3, 4)}]

    def __call__(self, shape, fans, random):
        return np.zeros(shape[::-1] if shape == (3, 4) else shape)


@broken("datasets", "shape")
class ShapeIsAnother(Line):
    def __init__(self) -> None:
        super().__init__()
        self.train.shape = (2,)


@broken("transforms", "shape", "same_bits", "state")
class OneColumnLess(Transform):
    """The network was built for the shape of the data, and cannot train."""

    def forward(self, x, y, context):
        return np.ascontiguousarray(x[:, :-1]), y
