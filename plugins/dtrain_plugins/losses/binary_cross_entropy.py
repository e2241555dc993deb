from __future__ import annotations

import numpy as np

from dtrain import Array, Output, Target

from ..ranges import BelowOne, Positive
from .checks import check_range
from .pointwise import Points, Pointwise, floored


class BinaryCrossEntropy(Pointwise):
    """−t·log p − (1 − t)·log(1 − p), the mean over a row's outputs, each a question of two classes.

    y: (rows, …), probabilities p of class 1, or logits z with p = σ(z). target: t in [0, 1], of the same shape,
    or (rows,) for a single output; 0 and 1 of any type are classes. values: (rows,). dy, of y's shape, is
    ((1 − t)/(1 − p) − t/p)/outputs, or for logits (σ(z) − t)/outputs. `predict` gives p.

    from_logits: whether y holds logits: fused, so that none overflows, and precise for any; give it no
    `sigmoid` layer then. Of probabilities, a p below 1e-14 (float32) or 1e-20 (float64) counts as that, and a
    1 − p of 0 as ε/2, the least other one that there is: values are finite, at most 32 or 46.
    label_smoothing: ε in [0, 1): t becomes (1 − ε)·t + ε/2, also for held-out samples. positive_weight: w > 0,
    a factor of −t·log p: above 1, a rare class 1 is missed less often; no row counts for more in the mean.

    Raises ValueError for options out of range, and for targets outside [0, 1].

    Good, "Rational decisions", 1952; label_smoothing: Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, "Rethinking the
    Inception architecture for computer vision", 2016.
    """

    aliases = ("BCEWithLogitsLoss",)
    takes = ("labels", "number", "distribution")
    answers = "labels"
    remedy = "put a sigmoid layer behind it, or set from_logits = true"
    examples = [
        {"input": (1,), "target": "classes", "range": (0.01, 0.99)},
        {"from_logits": True, "input": (1,), "target": "classes"},
        {
            "label_smoothing": 0.1,
            "positive_weight": 3.0,
            "input": (4,),
            "target": "unit",
            "range": (0.01, 0.99),
        },
        {"from_logits": True, "positive_weight": 3.0, "input": (2, 2), "target": "unit"},
    ]

    def __init__(
        self, from_logits: bool = False, label_smoothing: BelowOne = 0.0, positive_weight: Positive = 1.0
    ) -> None:
        self.from_logits, self.label_smoothing = from_logits, label_smoothing
        self.positive_weight = positive_weight
        self.expects = "logits" if from_logits else "probabilities"
        self.threshold = 0.0 if from_logits else 0.5

    def check(self, target: Target, output: Output) -> None:
        check_range(target, "targets from 0 to 1", 0, 1)

    def points(self, y: Array, target: Array) -> Points:
        smoothing = self.label_smoothing
        if smoothing:
            target = (1 - smoothing) * target + smoothing / 2
        own, other = self.positive_weight * target, 1 - target
        if not self.from_logits:
            p, q = floored(y), floored(1 - y, float(np.finfo(y.dtype).eps) / 2)
            log_q = np.where(y.real < 0.5, np.log1p(-np.where(y.real < 0.5, y, 0)), np.log(q))
            return -own * np.log(p) - other * log_q, lambda: other / q - own / p
        positive, t = y.real > 0, _decay(y)
        more = np.log1p(t)  # −log p = more − min(z, 0), −log(1 − p) = more + max(z, 0)
        with np.errstate(over="ignore"):  # beyond the dtype's range a value is infinite
            each = own * (more - np.where(positive, 0, y)) + other * (more + np.where(positive, y, 0))
        return each, lambda: (other * np.where(positive, 1, t) - own * np.where(positive, t, 1)) / (1 + t)

    def predict(self, y: Array) -> Array:
        if not self.from_logits:
            return y
        t = _decay(y)
        return np.where(y.real > 0, 1, t) / (1 + t)


def _decay(y: Array) -> Array:
    return np.exp(np.where(y.real > 0, -y, y))
