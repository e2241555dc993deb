from __future__ import annotations

import numpy as np

from dtrain import Activation, Array, Backward, Context, Initializer, Maker, Shape

from ..ranges import Count
from .affine import Affine


class Dense(Affine):
    """A fully connected layer: y = f(x·W + b).

    x: (rows, n_in) → y: (rows, units). W: (n_in, units). b: (units,), zero at the start.

    units: width of the output, ≥ 1. initializer: of W, with fans (n_in, units). bias: whether there is a b;
    leave it out in front of a batch norm, which takes it away again. activation: f; none means the identity.
    With dz = dy·f′: dW = xᵀ·dz, db = Σ dz, dx = dz·Wᵀ.

    Raises ValueError for units < 1, and for samples that are no vectors.
    """

    part = "dense"
    aliases = ("Linear",)
    examples = [{"units": 3}, {"units": 3, "initializer": "he_normal", "bias": False, "activation": "tanh"}]

    def __init__(
        self,
        units: Count,
        initializer: Initializer | str = "glorot_uniform",
        bias: bool = True,
        activation: Activation | None = None,
    ) -> None:
        super().__init__(initializer, bias, activation)
        self.units = units

    def build(self, shape: Shape, make: Maker) -> Shape:
        if len(shape) != 1:
            raise ValueError(
                f"{self.part} takes samples of one dimension, got {shape}; put a flatten layer before it"
            )
        (n_in,) = shape
        self.weight = make.parameter("weight", (n_in, self.units), self.initializer, fans=(n_in, self.units))
        return self.finish((self.units,), make)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        y = context.matmul(x, self.weight.value)
        if self.has_bias:
            np.add(y, self.bias.value, y)
        y, activate = self.activate(y, context)

        def backward(dy: Array) -> Array | None:
            dz = activate(dy)
            assert dz is not None, "an activation inside a layer is asked for its dx"
            context.gradient(self.weight, lambda rows, out: x[rows].T.dot(dz[rows], out))
            if self.has_bias:
                context.gradient(self.bias, lambda rows, out: _add_rows(dz[rows], out))
            return context.matmul(dz, self.weight.value.T) if self.needs_dx else None

        return y, backward


def _add_rows(x: Array, out: Array) -> None:
    np.ones(len(x), x.dtype).dot(x, out)  # a product is the fastest way to add rows
