"""What a transform is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .configurable import Configurable
from .loss import Loss

if TYPE_CHECKING:
    from dtrain.engine.context import Context
    from dtrain.types import Array

    from .output import Output
    from .target import Target


class Transform(Configurable):
    """A change of the training samples (augmentation), row by row, before the first layer.

    Randomness comes from `context.uniform`, `normal`, `bernoulli`: a sample meets the same numbers on any
    number of ranks. Transforms see training batches only.
    """

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "input" and "range" as for layers, "target" (default None) as for
    losses."""
    loss: Loss = Loss()
    """The run's loss, set by the engine before `check`: what it `takes` says what a changed target may be."""

    def check(self, target: Target, output: Output) -> None:
        """Raise ValueError if it cannot change these targets for this output and this loss.

        Not called for data without targets.
        """

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        """Returns new (x, y) of the same number of rows; x and y themselves are not written.

        x and y keep their shapes; only classes (rows, …) may become distributions over them, (rows, …, K), in x's
        dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")
