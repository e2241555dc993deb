from __future__ import annotations

from typing import Literal

import numpy as np

from dtrain import Activation, Array, Backward, Context, Initializer, Parameter

from ..ranges import Count
from .dense import Dense


class DropConnect(Dense):
    """A fully connected layer whose weights are set to zero, each with probability `rate`: y = f(x·(M∘W) + b).

    x: (rows, n_in) → y: (rows, units). W, M: (n_in, units). b: (units,), zero at the start. The mask M is drawn
    afresh for every global batch (with `accumulate`, every micro-batch), and is the same for all of its rows: a
    function of the seed, the layer, the epoch and the batch's place in it, on any number of ranks and shards.

    units: width of the output, ≥ 1. rate: probability to drop, [0, 1), to 2⁻³². mode: "inverted" (default): M is
    0 or 1/(1 − rate) in training, and W is taken as it is in inference; "vanilla": M is 0 or 1 in training, and
    1 − rate everywhere in inference. mask_bias: whether b is masked in the same way, by a mask of its own.
    initializer: of W, with fans (n_in, units). bias: whether there is a b. activation: f; none means the identity.
    With dz = dy·f′: dW = M∘(xᵀ·dz), db = Σ dz, dx = dz·(M∘W)ᵀ.

    Raises ValueError for units < 1, a rate outside of [0, 1), mask_bias without a bias, and samples that are no
    vectors.

    Wan, Zeiler, Zhang, LeCun & Fergus, "Regularization of neural networks using DropConnect", 2013: there M is 0
    or 1, one is drawn for each sample, b is masked, and inference draws from a normal distribution that has the
    moments of x·(M∘W), and averages f over it. Here, the mean of x·(M∘W) takes that one's place.
    """

    part = "drop_connect"
    examples = [
        {"units": 3},
        {"units": 3, "rate": 0.2, "mode": "vanilla", "mask_bias": True, "activation": "tanh"},
        {"units": 3, "rate": 0.0, "initializer": "he_normal", "bias": False},
    ]

    def __init__(
        self,
        units: Count,
        rate: float = 0.5,
        mode: Literal["inverted", "vanilla"] = "inverted",
        initializer: Initializer | str = "glorot_uniform",
        bias: bool = True,
        activation: Activation | None = None,
        mask_bias: bool = False,
    ) -> None:
        super().__init__(units, initializer, bias, activation)
        if not 0 <= rate < 1:
            raise ValueError(f"rate is the probability to drop, in [0, 1), got {rate}")
        if mask_bias and not bias:
            raise ValueError(
                "mask_bias needs a bias, got mask_bias = true with bias = false; leave one of them out"
            )
        self.keep, self.mode, self.masks_bias = 1 - rate, mode, mask_bias

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        mask = self._mask(self.weight, x, context)
        weight = np.multiply(self.weight.value, mask, context.empty(self.weight.shape, x.dtype))
        y = context.matmul(x, weight)
        if self.has_bias:
            of_bias = self._mask(self.bias, x, context) if self.masks_bias else np.ones(1, x.dtype)
            y += self.bias.value * of_bias
        y, activate = self.activate(y, context)

        def backward(dy: Array) -> Array | None:
            dz = activate(dy)
            assert dz is not None, "an activation inside a layer is asked for its dx"
            context.gradient(
                self.weight, lambda rows, out: np.multiply(x[rows].T.dot(dz[rows], out), mask, out)
            )
            if self.has_bias:
                context.gradient(
                    self.bias, lambda rows, out: np.multiply(dz[rows].sum(axis=0, out=out), of_bias, out)
                )
            return context.matmul(dz, weight.T) if self.needs_dx else None

        return y, backward

    def _mask(self, parameter: Parameter, x: Array, context: Context) -> Array:
        """Returns the factors of a parameter's elements: an array of its shape, or one number for all."""
        real = x.real.dtype.type
        if context.sampling:
            kept = context.stream(parameter.name).bernoulli(parameter.shape, self.keep)
            factor = real(1 / self.keep) if self.mode == "inverted" else real(1)
            return np.multiply(kept, factor, context.empty(parameter.shape, factor.dtype))
        return np.full(1, self.keep if self.mode == "vanilla" else 1, real)
