"""What a metric is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .configurable import Configurable
from .loss import Loss
from .schema import TargetKind

if TYPE_CHECKING:
    from dtrain.engine.context import Context
    from dtrain.types import Array

    from .output import Output
    from .target import Target


class Metric(Configurable):
    """A figure for people: sums over rows, then one formula of the sums."""

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "input", "target" (default "classes") and "range" as for losses."""
    higher_is_better: ClassVar[bool] = True
    loss: Loss = Loss()
    """The run's loss, set by the engine before `check`: it knows what an output means; see its `answers`, `expects`,
    `predict` and `threshold`."""
    reference: Array | float = 0.0
    """The target of the first sample of the data, float64, set by the engine before each pass, the same on all ranks;
    0 where there are no targets. Sums of t − reference and of its square keep the digits that sums of t and t² lose
    where targets lie far from 0: they cancel by at most the number of samples, wherever the targets are."""
    takes: tuple[TargetKind, ...] = ()
    """Which kinds of targets it takes, as for losses."""

    def check(self, target: Target, output: Output) -> None:
        """Raise ValueError if it is not defined for these targets, this output and this loss, as for losses."""

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        """Returns values of shape (rows,) or (rows, k), to be added over all rows of the data."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def result(self, sums: Array, count: int) -> float:
        """Returns the figure from the sums, of shape (k,), float64, and the number of rows; by default their mean."""
        return float(sums[0]) / count
