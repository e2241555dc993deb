from __future__ import annotations

from math import exp, inf, prod

import numpy as np

from dtrain import Array, Context, Metric

from .targets import is_soft


class Perplexity(Metric):
    """e to the mean of −log p_k over all places of all samples: from how many equal classes one would guess.

    y: (rows, …, K), logits, or probabilities. target: (rows, …), classes k = 0 … K−1; or real numbers
    (rows, …, K), distributions q, whose −Σ_j q_j·log p_j it is then. values: (rows, 2), a row's sum of −log p_k
    and its number of places. 1 is perfect, K a guess, infinite beyond the range of float64.

    from_logits: whether y holds logits (default) or probabilities.

    Jelinek, Mercer, Bahl & Baker, "Perplexity: a measure of the difficulty of speech recognition tasks", 1977.
    """

    examples = [
        {},
        {"from_logits": False, "range": (0.01, 1.0)},
        {"input": (2, 3), "target": "distribution"},
    ]
    higher_is_better = False

    def __init__(self, from_logits: bool = True) -> None:
        self.from_logits = from_logits

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        each = self._of_distributions if is_soft(y, target) else self._of_classes
        places = prod(y.shape[1:-1])
        sums = each(y, target, context).reshape(len(y), places).sum(axis=1)
        return np.stack([sums, np.full(len(y), float(places))], axis=1)

    def _of_classes(self, y: Array, target: Array, context: Context) -> Array:
        """Returns −log p_k of each place."""
        index = target[..., None].astype(np.int64)
        if self.from_logits:
            below, total = _below_top(y, context)
            return total - np.take_along_axis(below, index, axis=-1)[..., 0]
        with np.errstate(divide="ignore"):  # −log 0 = ∞
            return -np.log(np.take_along_axis(y, index, axis=-1)[..., 0].astype(np.float64))

    def _of_distributions(self, y: Array, target: Array, context: Context) -> Array:
        """Returns −Σ_j q_j·log p_j of each place."""
        if self.from_logits:
            below, total = _below_top(y, context)
            mean: Array = np.einsum("...k,...k->...", target, below, dtype=np.float64)
            return total * target.sum(axis=-1, dtype=np.float64) - mean
        logs = context.empty(y.shape, np.dtype(np.float64))
        logs.fill(1)
        np.copyto(logs, y, where=target > 0)  # 0·log 0 = 0
        with np.errstate(divide="ignore"):
            np.log(logs, logs)
        total = np.einsum("...k,...k->...", target, logs)
        return -total

    def result(self, sums: Array, count: int) -> float:
        mean = float(sums[0] / sums[1])
        return exp(mean) if mean < 709 else mean if mean != mean else inf


def _below_top(y: Array, context: Context) -> tuple[Array, Array]:
    """Returns z, y less its greatest number at each place, and log Σ_j e^(z_j): nothing is lost far from 0."""
    top = y.max(axis=-1, keepdims=True).astype(np.float64)
    below = np.subtract(y, top, context.empty(y.shape, np.dtype(np.float64)))
    powers = np.exp(below, context.empty(y.shape, below.dtype))
    total: Array = np.log(powers.sum(axis=-1))
    return below, total
