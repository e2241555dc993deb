"""What a transform is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .configurable import Configurable

if TYPE_CHECKING:
    from dtrain.engine.context import Context
    from dtrain.types import Array


class Transform(Configurable):
    """A change of the training samples (augmentation), row by row, before the first layer.

    Randomness comes from `context.uniform`, `normal`, `bernoulli`: a sample meets the same numbers on any
    number of ranks. Transforms see training batches only.
    """

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "input" and "range" as for layers, "target" (default None) as for
    losses."""

    def forward(self, x: Array, y: Array | None, context: Context) -> tuple[Array, Array | None]:
        """Returns new (x, y) of the same number of rows; x and y themselves are not written.

        x and y keep their shapes; only classes (rows, …) may become distributions over them, (rows, …, K), in x's
        dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward")
