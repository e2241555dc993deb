from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array

from .class_loss import ClassLoss, Surprise
from .pointwise import Points, floored


class CrossEntropy(ClassLoss):
    """Cross entropy of probabilities: −log y_k, k the class, or −Σ_j q_j·log y_j. Behind a `softmax` layer.

    y: (rows, …, K), probabilities. target: (rows, …), classes k = 0 … K−1, of any whole type or bool; or (rows, …,
    K), a distribution q of each place, at least 0, with the sum 1, one-hot rows among them. values: (rows,); where
    a row has several places, the sum over them, so that a long row counts more. dy = −q/y, of y's shape; q =
    onehot(k) for classes. A y_j below 1e-14 (float32) or 1e-20 (float64) counts as that: values are finite, at most
    32 or 46 a place. On logits, `softmax_cross_entropy` is precise for any.

    label_smoothing: ε in [0, 1): q becomes (1 − ε)·q + ε/K, also for held-out samples. class_weights: w ≥ 0, one
    a class, not all 0: values are −Σ_j w_j·q_j·log y_j, and the loss of a batch is their sum over the sum of the
    rows' weights: w_k of a class k (the mean over the places of a row); 1 for a distribution.

    Raises ValueError for options out of range, and for label_smoothing of a single class.

    Shannon, "A mathematical theory of communication", 1948; label_smoothing: Szegedy, Vanhoucke, Ioffe, Shlens &
    Wojna, "Rethinking the Inception architecture for computer vision", 2016. Weights as in PyTorch's
    `CrossEntropyLoss` with reduction = "mean".
    """

    expects = "probabilities"
    remedy = "put a softmax layer behind it, or take softmax_cross_entropy"
    examples = [
        {"input": (5,), "target": "classes", "range": (0.05, 1.0)},
        {"input": (2, 3), "target": "distribution", "range": (0.05, 1.0)},
        {
            "label_smoothing": 0.1,
            "class_weights": [1.0, 0.5, 2.0],
            "input": (4, 3),
            "target": "classes",
            "range": (0.05, 1.0),
        },
    ]

    def some(self, y: Array, target: Array) -> Points:
        if not self.plain or target.ndim == y.ndim:
            return super().some(y, target)
        index = target[..., None].astype(np.int64)
        chosen = floored(np.take_along_axis(y, index, axis=-1))
        values = np.einsum("ij->i", -np.log(chosen).reshape(len(y), prod(target.shape[1:])))

        def backward() -> Array:
            dy = np.zeros_like(y)
            np.put_along_axis(dy, index, -1 / chosen, axis=-1)
            return dy

        return values, backward

    def surprise(self, y: Array) -> Surprise:
        p = floored(y)
        return -np.log(p), lambda q: -q / p
