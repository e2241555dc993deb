"""Right but for rounding: another order of additions on other ranks."""

from __future__ import annotations

import numpy as np

from dtrain import GradientExchange, Layer

from .right import Unit
from .right_exchanges import Mean
from .right_layers import Learned
from .split import BareProductAsTotal
from .table import broken


@broken("layers", "same_bits")
class OwnRowsFirst(Layer):
    """Adds this rank's rows up, and hands one total to context.sum: right but for rounding."""

    def forward(self, x, context):
        if not context.training:
            return x, lambda dy: dy
        return x - self.mean(x, context), lambda dy: dy - self.mean(dy, context)

    def mean(self, x, context):
        one = np.zeros_like(x)
        if len(x):
            one[0] = x.sum(axis=0)
        return context.sum(one) / max(context.rows, 1)


@broken("layers", "same_bits")
class BareProduct(BareProductAsTotal):
    """Right but for rounding: the bits of a row change with the number of rows in the product."""

    examples = [{"input": (64,)}]

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.w, lambda rows, out: np.matmul(x[rows].T, dy[rows], out=out))
            return dy @ self.w.value.T

        return x @ self.w.value, backward


@broken("layers", "same_bits")
class LearnsFromItsOwnRowsFirst(Learned):
    """Adds this rank's rows up, and hands one total to context.sum: right but for rounding."""

    def total(self, x, context):
        one = np.zeros_like(x)
        if len(x):
            one[0] = x.sum(axis=0)
        return context.sum(one)


@broken("initializers", "same_bits")
class CalibratesByItsOwnRows(Unit):
    def total(self, squares, context):
        return squares.mean(axis=1).sum()


@broken("exchanges", "same_bits")
class OwnFirst(GradientExchange):
    """Every rank begins with its own gradient."""

    def total(self, part):
        every = yield from part.gather(part.gradient)
        for rank in range(part.size):
            if rank != part.rank:
                part.gradient[:] += every[rank]


@broken("exchanges", "same_bits")
class StaysNearItsOwn(Mean):
    """Only half of the way to the mean."""

    def meet(self, part):
        own = part.value.copy()
        yield from super().meet(part)
        part.value[:] = (part.value + own) / 2
