"""What an initializer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from dtrain.random import Stream
    from dtrain.types import Array, Shape


class Initializer:
    """The first values of a parameter, from its shape, its fans and a random stream of its own."""

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "input", the shape to draw (default: several)."""

    def __call__(self, shape: Shape, fans: tuple[int, int], random: Stream) -> Array:
        """Returns an array of `shape`, float64.

        fans: (n_in, n_out), the number of inputs that one output sums over, and the reverse.
        random: the only source of randomness allowed; keyed by the seed and the parameter's name.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__")
