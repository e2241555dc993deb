"""What a loss is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from .configurable import Configurable
from .schema import TargetKind

if TYPE_CHECKING:
    from dtrain.engine.context import Context
    from dtrain.types import Array

    from .output import Output
    from .target import Target

Answer: TypeAlias = Literal["number", "labels", "class"]
"""What the outputs of a sample say. "number": each is a number. "labels": each answers a question of two classes.
"class": the last dimension has one output a class, also if there is only one."""

Expected: TypeAlias = Literal["numbers", "scores", "logits", "probabilities", "log_rates", "rates"]
"""What a loss takes from the last layer. "numbers": any, on the scale of the target. "scores": any; only their
order, or their sign, matters. "logits", "log_rates": any. "probabilities": in [0, 1]; for the answer "class" they add
up to 1. "rates": at least 0."""


class Loss(Configurable):
    """One number a row. The engine adds them over the global batch and divides once, by the count or the weights."""

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "input", the shape of one sample of y (default (8,)); "target":

    "real" (default; normal numbers of y's shape), "classes" (0 … K−1, without the last dimension), "signs" (±1),
    "binary" (0 or 1), "unit" (in (0, 1)), "distribution" (sums to 1 over the last dimension), None (no target),
    or a function (numpy.random.Generator, rows, shape) → array. "range" and "complex": of y, as for layers.
    """
    takes: tuple[TargetKind, ...] = ()
    """Which kinds of targets it takes; see `TargetKind`. The engine refuses all others, and other shapes, before the
    first step: see `Target.read`. "number" and "labels" may be (rows,) for a single output. Empty: not said; then only
    `check` decides."""
    answers: Answer = "number"
    """What the outputs of a sample say."""
    expects: Expected = "numbers"
    """What it takes from the last layer. The engine refuses a network that cannot give it."""
    remedy: str = "end the network with an activation that gives them"
    """What an error advises if the last layer does not give what the loss expects."""
    threshold: float = 0.5
    """Of a single output, or of several that are a question of two classes each: above it y says class 1. ½ for
    probabilities and for targets 0 and 1, 0 for logits and for −1 and 1. Metrics of classes go by it."""

    surrogate: str = ""
    """Why what backward gives is not the derivative of the values; empty: it is. See `Layer.surrogate`."""

    def check(self, target: Target, output: Output) -> None:
        """Raise ValueError if these targets do not fit the options and this output, beyond what `takes` says.

        The message says what was expected and what came; the engine adds the loss's name in front.
        """

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
