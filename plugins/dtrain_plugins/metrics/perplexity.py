from __future__ import annotations

from math import exp, inf, prod

import numpy as np

from dtrain import Array, Context, Metric


class Perplexity(Metric):
    """e to the mean of −log p_k over all places of all samples: from how many equal classes one would guess.

    y: (rows, …, K), logits, or probabilities. target: (rows, …), classes k = 0 … K−1. values: (rows, 2), a
    row's sum of −log p_k and its number of places. 1 is perfect, K a guess, infinite beyond the range of
    float64.

    from_logits: whether y holds logits (default) or probabilities.

    Jelinek, Mercer, Bahl & Baker, "Perplexity: a measure of the difficulty of speech recognition tasks", 1977.
    """

    examples = [{}, {"from_logits": False, "range": (0.01, 1.0)}]
    higher_is_better = False

    def __init__(self, from_logits: bool = True) -> None:
        self.from_logits = from_logits

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        own = np.take_along_axis(y, target[..., None].astype(np.int64), axis=-1).astype(np.float64)
        if self.from_logits:
            top = y.max(axis=-1, keepdims=True).astype(np.float64)
            powers = np.subtract(y, top, context.empty(y.shape, np.dtype(np.float64)))
            np.exp(powers, powers)
            each = np.log(powers.sum(axis=-1, keepdims=True)) + top - own
        else:
            with np.errstate(divide="ignore"):  # −log 0 = ∞
                each = -np.log(own)
        places = prod(target.shape[1:])
        sums = each.reshape(len(y), places).sum(axis=1)
        return np.stack([sums, np.full(len(y), float(places))], axis=1)

    def result(self, sums: Array, count: int) -> float:
        mean = float(sums[0] / sums[1])
        return exp(mean) if mean < 709 else mean if mean != mean else inf
