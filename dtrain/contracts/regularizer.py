"""What a regularizer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .configurable import Configurable

if TYPE_CHECKING:
    from dtrain.types import Array


class Regularizer(Configurable):
    """A penalty on parameters, added once to the mean loss, after the reduction over ranks.

    In the config, `on` ("weights", default, or "biases") and `layers` (ids) choose the parameters; both
    belong to the engine, not to the part.
    """

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "range", (low, high) of the values it bears (default ±1e4)."""

    decoupled: ClassVar[bool] = False
    """Whether it moves the values by `decay`, beside the optimizer's step; then it has no penalty and no gradient."""

    smooth: bool = True
    """Whether the penalty has a derivative everywhere, and `gradient` takes complex numbers: optimizers that
    solve for a minimum (`Solver`) refuse others."""

    surrogate: str = ""
    """Why `gradient` is not the derivative of `penalty`; empty: it is. See `Layer.surrogate`."""

    def penalty(self, value: Array) -> float:
        """Returns the penalty of these elements, 1-D; penalties of pieces add up."""
        raise NotImplementedError(f"{type(self).__name__} has no penalty")

    def gradient(self, value: Array, out: Array) -> None:
        """Adds the gradient of the penalty at `value`, 1-D, to `out`."""
        raise NotImplementedError(f"{type(self).__name__} has no gradient")

    def decay(self, value: Array, lr: float) -> None:
        """Moves `value`, 1-D, in place, element by element. lr: of the optimizer, as of this step."""
        raise NotImplementedError(f"{type(self).__name__} has no decay")
