"""What a loss is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from .configurable import Configurable

if TYPE_CHECKING:
    from dtrain.engine.context import Context
    from dtrain.types import Array, Shape


class Loss(Configurable):
    """One number a row. The engine adds them over the global batch and divides once, by the count or the weights."""

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "input", the shape of one sample of y (default (8,)); "target":

    "real" (default; normal numbers of y's shape), "classes" (0 … K−1, without the last dimension), "signs" (±1),
    "binary" (0 or 1), "unit" (in (0, 1)), "distribution" (sums to 1 over the last dimension), None (no target),
    or a function (numpy.random.Generator, rows, shape) → array. "range" and "complex": of y, as for layers.
    """
    threshold: float = 0.5
    """Of a single output, or of several that are a question of two classes each: above it y says class 1. ½ for
    probabilities and for targets 0 and 1, 0 for logits and for −1 and 1. Metrics of classes go by it."""

    surrogate: str = ""
    """Why what backward gives is not the derivative of the values; empty: it is. See `Layer.surrogate`."""

    def check(self, target: Array | None, shape: Shape) -> None:
        """Raises ValueError when these targets do not fit a network whose output sample has this shape."""

    def forward(
        self, y: Array, target: Array, context: Context
    ) -> tuple[Array | tuple[Array, Array], Callable[[], Array]]:
        """Returns `(values, backward)`, or `((values, weights), backward)`.

        values: (rows,), the loss of each row (times its weight, where there are weights), of y's dtype or float64: all
        are added up in float64, and squares of float32 reach half as far.
        weights: (rows,), what each row counts for; without them every row counts 1.
        backward() → dy, of y's shape: the gradient of the plain sum of the values.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def predict(self, y: Array) -> Array:
        """Returns what users see of an output (probabilities, classes); by default the output itself."""
        return y
