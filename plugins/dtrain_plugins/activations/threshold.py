"""What the units share whose output jumps."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from dtrain import Activation, Array, Backward, Context

_BOOL = np.dtype(np.bool_)
Gradient: TypeAlias = Literal["straight_through", "clipped", "none"]


class Threshold(Activation):
    """A function of jumps, whose derivative is 0 wherever there is one: `gradient` says what goes back instead.

    "straight_through": dx = dy, as if y were x. "clipped": the same where |x| ≤ 1, and 0 elsewhere. "none":
    dx = 0, the derivative itself. The imaginary part of a complex x is passed on as a gradient would be.
    """

    def __init__(self, gradient: Gradient = "straight_through") -> None:
        self.gradient = gradient
        if gradient != "none":
            self.surrogate = f"whose backward is a stand-in, gradient = {gradient!r}"

    def level(self, x: Array, out: Array) -> None:
        """Writes the values at x, real."""
        raise NotImplementedError(f"{type(self).__name__} has no level")

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        y = context.empty(x.shape, x.dtype)
        self.level(x.real, y.real)
        if x.dtype.kind == "c":
            y.imag = self._passed(x.imag, x, context)
        return y, lambda dy: self._passed(dy, x, context)

    def _passed(self, dy: Array, x: Array, context: Context) -> Array:
        if self.gradient == "straight_through":
            return dy
        dx = context.empty(dy.shape, dy.dtype)
        if self.gradient == "none":
            dx.fill(0)
            return dx
        size = np.abs(x.real, context.empty(x.shape, x.real.dtype))
        return np.multiply(dy, np.less_equal(size, 1, context.empty(x.shape, _BOOL)), dx)
