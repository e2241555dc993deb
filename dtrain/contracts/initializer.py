"""What an initializer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .configurable import Configurable

if TYPE_CHECKING:
    from dtrain.engine.context import Context
    from dtrain.random import Stream
    from dtrain.types import Array, Shape


class Initializer(Configurable):
    """The first values of a parameter, from its shape, its fans and a random stream of its own."""

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "input", the shape to draw (default: several)."""

    calibrations: int = 0
    """How often `calibrate` may be asked for a factor, at most; 0: never."""

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        """Returns an array of `shape`, float64.

        fans: (n_in, n_out), the number of inputs that one output sums over, and the reverse.
        random: the only source of randomness allowed; keyed by the seed and the parameter's name.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def calibrate(self, y: Array, context: Context) -> float:
        """Returns a factor for the parameter's present value, the same on all ranks; 1: it is right as it is.

        y: (rows, …), what the layer that made the parameter gives before its activation, for this rank's rows
        (maybe none) of the first global batch of the training set; all layers are in inference, those before it
        calibrated already. What crosses rows goes through the context. Asked again with the new value's y.
        """
        raise NotImplementedError(f"{type(self).__name__} has no calibrate")
