from __future__ import annotations

import numpy as np

from dtrain import Array, Span

from .threshold import Threshold


class Sign(Threshold):
    """y = −1, 0 or 1, the sign of x, as in the perceptron. x: (rows, …) → y: the same shape.

    gradient: "straight_through" (default): dx = dy, as if y were x, with which a `sign` unit under the
    `perceptron` loss learns by Rosenblatt's rule; "clipped": the same where |x| ≤ 1, and 0 elsewhere; "none":
    dx = 0, the derivative itself, so that nothing below this layer learns. The imaginary part of a complex x
    is passed on as a gradient would be.

    Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the brain",
    1958; Bengio, Léonard & Courville, "Estimating or propagating gradients through stochastic neurons for
    conditional computation", 2013; clipped: Hubara, Courbariaux, Soudry, El-Yaniv & Bengio, "Binarized neural
    networks", 2016.
    """

    examples = [{}, {"gradient": "clipped"}]

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).image(lambda x: float(x > 0) - float(x < 0))

    def level(self, x: Array, out: Array) -> None:
        np.sign(x, out)
