"""What the units share whose output jumps."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from dtrain import Activation, Array, Backward, Context

Gradient: TypeAlias = Literal["straight_through", "clipped", "none"]


class Threshold(Activation):
    """A function of jumps, whose derivative is 0 wherever there is one: `gradient` says what goes back instead.

    "straight_through": dx = dy, as if y were x. "clipped": the same where |x| ≤ 1, and 0 elsewhere. "none":
    dx = 0, the derivative itself. The imaginary part of a complex x is passed on as a gradient would be.
    """

    def __init__(self, gradient: Gradient = "straight_through") -> None:
        self.gradient = gradient

    def level(self, x: Array) -> Array:
        """Returns the values at x, real."""
        raise NotImplementedError(f"{type(self).__name__} has no level")

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        y: Array = self.level(x.real).astype(x.dtype, copy=False)
        if x.dtype.kind == "c":
            y.imag = self._passed(x.imag, x)
        return y, lambda dy: self._passed(dy, x)

    def _passed(self, dy: Array, x: Array) -> Array:
        if self.gradient == "straight_through":
            return dy
        if self.gradient == "none":
            return np.zeros_like(dy)
        return dy * (np.abs(x.real) <= 1)
