from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dtrain import Array, Context, Shape

from .class_loss import ClassLoss, Surprise


class SoftmaxCrossEntropy(ClassLoss):
    """Cross entropy of the softmax of logits, p: −log p_k, k the class, or −Σ_j q_j·log p_j. Fused: stable for any.

    y: (rows, …, K), logits. target: (rows, …), classes k = 0 … K−1, of any whole type or bool; or (rows, …, K), a
    distribution q of each place, at least 0, with the sum 1, one-hot rows among them. values: (rows,); where a row
    has several places, the sum over them, so that a long row counts more. dy = p − q, of y's shape; q = onehot(k)
    for classes. `predict` gives probabilities, (rows, …, K).

    label_smoothing: ε in [0, 1): q becomes (1 − ε)·q + ε/K, also for held-out samples. class_weights: w ≥ 0, one
    a class, not all 0: values are −Σ_j w_j·q_j·log p_j, and the loss of a batch is their sum over the sum of the
    rows' weights: w_k of a class k (the mean over the places of a row); 1 for a distribution.

    Of a p_k that is all but 1, −log p_k is right in float64 runs, in validation and with any of the options; in a plain
    step of float32, for speed, it is right to the ε of float32, 1.2e-7.

    Raises ValueError for options out of range, and for label_smoothing of a single class.

    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990; label_smoothing:
    Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, "Rethinking the Inception architecture for computer vision", 2016.
    Weights as in PyTorch's `CrossEntropyLoss` with reduction = "mean".
    """

    aliases = ("CrossEntropyLoss", "sparse_categorical_crossentropy")
    expects = "logits"
    examples = [
        {"input": (5,), "target": "classes"},
        {"input": (2, 3), "target": "distribution"},
        {"label_smoothing": 0.1, "input": (5,), "target": "classes"},
        {"class_weights": [1.0, 0.5, 2.0], "input": (4, 3), "target": "classes"},
    ]

    def __init__(self, label_smoothing: float = 0.0, class_weights: list[float] | None = None) -> None:
        super().__init__(label_smoothing, class_weights)
        self._constants: dict[tuple[Shape, str], tuple[Array, ...]] = {}

    def forward(
        self, y: Array, target: Array, context: Context
    ) -> tuple[Array | tuple[Array, Array], Callable[[], Array]]:
        if not self.plain or target.ndim == y.ndim:
            return super().forward(y, target, context)
        logits = y.reshape(target.size, y.shape[-1])
        start, ones, wide_ones, one = self._constants_of(logits)
        shifted = _shifted(logits, logits.take(logits.real.argmax(1) + start)[:, None], context)
        at = target.reshape(-1).astype(np.intp, copy=False) + start
        chosen = shifted.take(at)
        p = np.exp(shifted, shifted)
        total = np.vecdot(ones, p)  # row by row; p.dot(ones) takes several rows at once, in other bits
        wide = total if context.training else np.vecdot(wide_ones, p)
        values = np.log(wide) - chosen
        if target.ndim > 1:
            values = values.reshape(target.shape).sum(axis=tuple(range(1, target.ndim)))

        def backward() -> Array:
            dy: Array = np.divide(p, total[:, None], p)
            dy.reshape(-1)[at] -= one
            return dy.reshape(y.shape)

        return values, backward

    def surprise(self, y: Array) -> Surprise:
        shifted = _shifted(y, np.take_along_axis(y, y.real.argmax(axis=-1)[..., None], axis=-1))
        p = np.exp(shifted)
        wide = np.einsum("...k->...", p, dtype=np.result_type(p, np.float64))[..., None]
        total = wide.astype(y.dtype)
        # 0·∞ would be no number
        each = np.log(wide) - np.maximum(shifted, np.finfo(y.dtype).min)

        def slope(q: Array) -> Array:
            dy: Array = p / total
            dy *= np.einsum("...k->...", q)[..., None]
            dy -= q
            return dy

        return each, slope

    def _constants_of(self, logits: Array) -> tuple[Array, ...]:
        """Returns where each row starts in the flat logits, a one a class, of the logits' dtype and wide, and one."""
        key = logits.shape, logits.dtype.char
        found = self._constants.get(key)
        if found is None:
            (rows, classes), dtype = logits.shape, logits.dtype
            wide = np.ones(classes, np.result_type(dtype, np.float64))
            found = np.arange(rows) * classes, np.ones(classes, dtype), wide, np.ones((), dtype)
            self._constants[key] = found
        return found

    def predict(self, y: Array) -> Array:
        p = _shifted(y, y.max(axis=-1, keepdims=True))
        np.exp(p, p)
        p /= p.sum(axis=-1, keepdims=True)
        return p


def _shifted(y: Array, top: Array, context: Context | None = None) -> Array:
    """Returns y − top, −∞ where that is below the dtype's range: e^(−∞) = 0 is right."""
    with np.errstate(over="ignore"):
        return np.subtract(y, top, None if context is None else context.empty(y.shape, y.dtype))
