from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dtrain import Array, Context, Loss, Shape


class SoftmaxCrossEntropy(Loss):
    """Cross entropy of the softmax of logits: −log softmax(y)_k, fused, so that no logit overflows.

    y: (rows, …, K), logits. target: (rows, …), classes k = 0 … K−1, of any whole type. values: (rows,); where
    a row has several places, the sum over them, so that a long row counts more. dy = softmax(y) − onehot(k),
    of y's shape. `predict` gives probabilities, (rows, …, K).

    Raises ValueError for targets that are missing, no whole numbers, of another shape or outside 0 … K−1.

    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
    """

    examples = [{"input": (5,), "target": "classes"}]

    def __init__(self) -> None:
        self._constants: dict[tuple[Shape, str], tuple[Array, Array, Array]] = {}

    def check(self, target: Array | None, shape: Shape) -> None:
        if target is None:
            raise ValueError("softmax_cross_entropy needs a class for every sample; the data has no targets")
        if target.dtype.kind not in "iu":
            raise ValueError(
                f"softmax_cross_entropy takes classes, whole numbers, got targets of {target.dtype}"
            )
        if not shape:
            raise ValueError(
                "softmax_cross_entropy takes one output a class, got a network that gives () a sample"
            )
        if target.shape[1:] != shape[:-1]:
            raise ValueError(
                f"the network gives {shape} a sample, which takes targets of shape {shape[:-1]}, "
                f"got {target.shape[1:]}"
            )
        if target.size and not (target.min() >= 0 and target.max() < shape[-1]):
            bad = target.min() if target.min() < 0 else target.max()
            raise ValueError(
                f"the network has {shape[-1]} outputs, for classes 0 to {shape[-1] - 1}, "
                f"but a target is {bad}; mend the data, or give the last layer more units"
            )

    def forward(self, y: Array, target: Array, context: Context) -> tuple[Array, Callable[[], Array]]:
        logits = y.reshape(target.size, y.shape[-1])
        start, ones, one = self._constants_of(logits)
        top = logits.take(logits.real.argmax(1) + start)
        shifted = np.subtract(logits, top[:, None], context.empty(logits.shape, y.dtype))
        at = target.reshape(-1).astype(np.intp, copy=False) + start
        chosen = shifted.take(at)
        p = np.exp(shifted, shifted)
        total = np.vecdot(ones, p)  # row by row; p.dot(ones) takes several rows at once, in other bits
        values = np.log(total) - chosen
        if target.ndim > 1:
            values = values.reshape(target.shape).sum(axis=tuple(range(1, target.ndim)))

        def backward() -> Array:
            dy: Array = np.divide(p, total[:, None], p)
            dy.reshape(-1)[at] -= one
            return dy.reshape(y.shape)

        return values, backward

    def _constants_of(self, logits: Array) -> tuple[Array, Array, Array]:
        """Returns where each row starts in the flat logits, a one a class, and one, of the logits' dtype."""
        key = logits.shape, logits.dtype.char
        found = self._constants.get(key)
        if found is None:
            (rows, classes), dtype = logits.shape, logits.dtype
            found = np.arange(rows) * classes, np.ones(classes, dtype), np.ones((), dtype)
            self._constants[key] = found
        return found

    def predict(self, y: Array) -> Array:
        p: Array = np.exp(y - y.max(axis=-1, keepdims=True))
        p /= p.sum(axis=-1, keepdims=True)
        return p
