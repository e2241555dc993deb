"""What an optimizer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from dtrain.errors import OptionError
from dtrain.options import check

from .configurable import Configurable, number_options

if TYPE_CHECKING:
    from dtrain.types import Array


class UpdateContext(Protocol):
    """What an update may know beside its arrays."""

    step: int
    """The number of this update, from 1: skipped steps do not count."""

    role: str
    """What this slice holds: "weight", "bias" or "scale"; "" for an optimizer that takes them together."""

    sums: tuple[float, ...]
    """What `measure` asked for, added up; () for an optimizer that asks for nothing."""

    def empty(self, count: int) -> Array:
        """Returns scratch of the parameters' dtype, shape (count,), valid until the update returns."""


class Optimizer(Configurable):
    """An elementwise update of flat slices of parameters, each with slots of the same length.

    The engine cuts it into cache-sized pieces and over ranks: element i of the new value depends on
    element i of value, gradient and slots, and on `context`. Options are attributes (`lr`), which schedules may drive,
    and keep the `Range` of their annotation all along.

    One that needs norms or inner products over whole parameters says so by `sums_over` and `sums`. Each step then
    goes over the pieces twice, first by `measure`, then, with the sums in `context.sums`, by `update`.
    """

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options, and "range", (low, high) of the gradients it bears (default ±1e4).

    "outputs": of the network of 8 inputs that the checks train with it (default 700; 150 for a `Solver`).
    """
    slots: tuple[str, ...] = ()
    """Names of the state arrays, zero at the start."""

    by_role: ClassVar[bool] = False
    """Whether weights, biases and scales come in slices of their own, because the update differs."""

    sums_over: ClassVar[Literal["", "parameter", "all"]] = ""
    """What sums are taken over, if any: each parameter by itself, or all of them. Slices then hold one parameter."""

    lr: float

    def __setattr__(self, name: str, value: Any) -> None:
        """Raise OptionError, a ValueError, for an option that is a number and leaves its range, whoever sets it."""
        annotation = number_options(type(self)).get(name)
        if annotation is not None:
            check(name, value, annotation, OptionError)
        super().__setattr__(name, value)

    def sums(self) -> int:
        """Returns how many sums the next update needs, on all ranks alike; 0: `measure` is not called."""
        return 0

    def measure(
        self, value: Array, gradient: Array, context: UpdateContext, *slots: Array
    ) -> tuple[tuple[Array, Array], ...]:
        """Returns `sums()` pairs (a, b) of arrays like `value`; of each, Σ aᵢ·bᵢ goes to `context.sums`.

        They are multiplied and added in float64. It may change `gradient` and the slots, which `update` gets as it
        left them, but not `value`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no measure")

    def decide(self, step: int, sums: tuple[float, ...]) -> None:
        """Is told the sums over all parameters ("all") once a step, before the first `update`, on all ranks alike."""

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        """Updates `value` and `slots` in place. All are 1-D, of one length; `gradient` may be overwritten.

        gradient: of the mean loss over the global batch, with regularizers, after clipping.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update")

    def state(self) -> dict[str, Any]:
        """Returns what a checkpoint must keep beside the slots, as JSON values."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes back what `state` returned."""
