from __future__ import annotations

from typing import Literal

import numpy as np

from dtrain import Array, Backward, Context, Layer, Span


class Dropout(Layer):
    """Sets each unit to zero with probability `rate` in training, and where predictions are drawn.

    x: (rows, …) → y: the same shape. mode: "inverted" (default): kept units are multiplied by 1/(1 − rate) in
    training, the identity in inference. mode "vanilla": kept units as they are in training, all units times
    1 − rate in inference. dx = dy times the same factors. The mask is a function of the seed, the layer, the
    epoch, the sample's place in the epoch and the unit: the same on any number of ranks.
    Predictions of n draws (`predict --draws n`) take a mask each: their mean and spread are those of Monte-Carlo
    dropout (Gal & Ghahramani, "Dropout as a Bayesian approximation", 2016).

    rate: probability to drop, [0, 1), to 2⁻³². Raises ValueError outside.

    Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout: a simple way to prevent neural
    networks from overfitting", 2014 (there p is the probability to keep, and scaling is "vanilla").
    """

    examples = [{}, {"rate": 0.2, "mode": "vanilla"}, {"rate": 0.0}]

    def __init__(self, rate: float = 0.5, mode: Literal["inverted", "vanilla"] = "inverted") -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"rate is the probability to drop, in [0, 1), got {rate}")
        self.keep = 1 - rate
        self.mode = mode

    def output_span(self, taken: Span | None) -> Span | None:
        if taken is None or self.keep == 1:
            return taken
        most = 1 / self.keep if self.mode == "inverted" else 1.0
        return Span(min(0, taken.low * most), max(0, taken.high * most))

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        factor = 1 / self.keep if self.mode == "inverted" else 1.0
        if context.sampling:
            mask = context.bernoulli(x.shape, self.keep)
            scale = np.multiply(mask, x.dtype.type(factor), out=context.empty(x.shape, x.dtype))
        elif self.mode == "vanilla":
            scale = np.full((1,), self.keep, x.dtype)
        else:
            return x, lambda dy: dy
        y = np.multiply(x, scale, out=context.empty(x.shape, x.dtype))

        def backward(dy: Array) -> Array:
            dx: Array = np.multiply(dy, scale, out=context.empty(dy.shape, dy.dtype))
            return dx

        return y, backward
