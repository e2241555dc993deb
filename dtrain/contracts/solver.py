"""What an optimizer with a step of its own is, and what it sees of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .optimizer import Optimizer

if TYPE_CHECKING:
    from dtrain.types import Array


class Problem(Protocol):
    """The mean loss over one global batch, regularizers included, as a function of the trained parameters.

    A vector is a 1-D array in the parameters' dtype: this rank's slice of it, maybe empty, as long as `value`.
    Elementwise work on slices is plain NumPy; what crosses elements (`dot`, `norm`) is a collective, as is every
    method: all ranks call them, in one order, and get the same numbers to the bit. Elements that belong to no
    trained parameter are 0 in gradients and products. Every evaluation within a step draws the same random
    numbers (dropout), and running statistics move once, with the first.
    """

    step: int
    """The number of this update, from 1: skipped steps do not count."""

    value: Array
    """Where the step begins. Read-only, as `gradient`."""

    loss: float
    gradient: Array
    """Of the mean loss at `value`; both are finite."""

    slots: dict[str, Array]
    """The optimizer's state vectors by name, zero at the start, to be written in place."""

    size: int
    """How many numbers are trained, over all ranks."""

    precision: float
    """The distance from 1 to the next number of the parameters' dtype."""

    def loss_at(self, value: Array) -> float:
        """Returns the loss at another point; maybe not finite. Costs a third of a gradient."""

    def loss_and_gradient(self, value: Array) -> tuple[float, Array]:
        """Returns the loss and its gradient at another point; maybe not finite."""

    def hessian_product(self, v: Array) -> Array:
        """Returns H·v, H the second derivatives of the loss at `self.value`, exact but for rounding."""

    def gauss_newton_product(self, v: Array) -> Array:
        """Returns Jᵀ·Hₗ·J·v at `self.value`: J of the network's outputs, Hₗ of the loss by them; H without the
        curvature of the network itself, and positive semi-definite where the loss is convex in the outputs."""

    def dot(self, a: Array, b: Array) -> float:
        """Returns Σ aᵢ·bᵢ over all ranks, in float64, over blocks that the config fixes."""

    def norm(self, a: Array) -> float:
        """Returns √(a·a)."""

    def gather(self, a: Array) -> Array:
        """Returns the whole vector on every rank, float64, shape (size,): parameters in the network's order."""

    def scatter(self, whole: Array) -> Array:
        """Returns this rank's slice of a vector that `gather` could have returned."""


class Solver(Optimizer):
    """An optimizer with a step of its own: it looks at the loss, gradients and products wherever it wants to.

    Products go through the network on complex numbers, so that layers, the loss and regularizers must take them.
    Clipping and penalties without a derivative are refused. State vectors are `slots`, which may be set in
    `__init__`; numbers belong in `state`. `lr` scales the first step that is tried.
    """

    def check(self, size: int) -> None:
        """Raises ValueError where this many trained numbers are too many."""

    def solve(self, problem: Problem) -> Array:
        """Returns the new value, this rank's slice; `problem.value` itself where no better one was found."""
        raise NotImplementedError(f"{type(self).__name__} has no solve")
