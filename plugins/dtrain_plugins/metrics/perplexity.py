from __future__ import annotations

from math import exp, inf, prod

import numpy as np

from dtrain import Array, Context, Metric, Output, Target

from .targets import classes_of


class Perplexity(Metric):
    """e to the mean of −log p_k over all places of all samples: from how many equal classes one would guess.

    y: (rows, …, K), logits, or probabilities. target: (rows, …), classes k = 0 … K−1; or (rows, …, K),
    distributions q, one-hot rows among them, whose −Σ_j q_j·log p_j it is then. values: (rows, 2), a row's sum of
    −log p_k and its number of places. 1 is perfect, K a guess, infinite beyond the range of float64.

    from_logits: whether y holds logits or probabilities; by default what the loss takes it for.

    Raises ValueError for other targets, for a loss that takes y for neither, and for another `from_logits` than the
    loss's.

    Jelinek, Mercer, Bahl & Baker, "Perplexity: a measure of the difficulty of speech recognition tasks", 1977.
    """

    examples = [
        {},
        {"from_logits": False, "range": (0.01, 1.0)},
        {"input": (2, 3), "target": "distribution"},
    ]
    higher_is_better = False
    takes = ("class", "distribution")

    def __init__(self, from_logits: bool | None = None) -> None:
        self.from_logits = from_logits

    def check(self, target: Target, output: Output) -> None:
        if self.loss.answers != "class" or self.loss.expects not in ("logits", "probabilities"):
            raise ValueError(
                "expected a loss that takes the outputs for logits or probabilities of classes, got another; "
                "take another loss, or leave the metric out"
            )
        if self.from_logits not in (None, self.loss.expects == "logits"):
            raise ValueError(
                f"expected from_logits as the loss has it, which takes {self.loss.expects}, "
                f"got {str(self.from_logits).lower()}; leave it out"
            )

    @property
    def _logits(self) -> bool:
        return self.loss.expects != "probabilities" if self.from_logits is None else self.from_logits

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        each = self._of_distributions if target.shape == y.shape else self._of_classes
        places = prod(y.shape[1:-1])
        sums = each(y, target, context).reshape(len(y), places).sum(axis=1)
        return np.stack([sums, np.full(len(y), float(places))], axis=1)

    def _of_classes(self, y: Array, target: Array, context: Context) -> Array:
        """Returns −log p_k of each place."""
        index = classes_of(y, target)[..., None].astype(np.int64)
        if self._logits:
            below, total = _below_top(y, context)
            return total - np.take_along_axis(below, index, axis=-1)[..., 0]
        with np.errstate(divide="ignore"):  # −log 0 = ∞
            return -np.log(np.take_along_axis(y, index, axis=-1)[..., 0].astype(np.float64))

    def _of_distributions(self, y: Array, target: Array, context: Context) -> Array:
        """Returns −Σ_j q_j·log p_j of each place."""
        if self._logits:
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
