"""What a network gives: the shape of an output sample, and where its numbers lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dtrain.types import Shape


@dataclass(frozen=True)
class Span:
    """Where the numbers of an output lie, in training and in inference: low … high.

    distribution: they are at least 0 and add up to 1 over the last dimension.
    """

    low: float = -inf
    high: float = inf
    distribution: bool = False

    def image(self, f: Callable[[float], float]) -> Span:
        """Return the range of f of these numbers; f: never decreasing, also at ±∞."""
        return Span(f(self.low), f(self.high))

    def rectified(self, below: Callable[[float], float]) -> Span:
        """Return the range of x where x > 0, and below(x) elsewhere; below: as f of `image`."""
        return self if self.low >= 0 else self.image(lambda x: x if x > 0 else below(x))

    @property
    def bounds(self) -> Span:
        """The range of the same numbers in other places, which add up to 1 no longer."""
        return Span(self.low, self.high)

    def __str__(self) -> str:
        if self.distribution:
            return "distributions over the last dimension"
        if self.low == -inf:
            return "any numbers" if self.high == inf else f"numbers of at most {self.high:.3g}"
        if self.high == inf:
            return f"numbers of at least {self.low:.3g}"
        return f"numbers from {self.low:.3g} to {self.high:.3g}"


@dataclass(frozen=True)
class Output:
    """What a network gives for each sample.

    shape: of one sample. span: where the numbers lie; None: the layers do not say it. layer: the last one's name.
    """

    shape: Shape
    span: Span | None = None
    layer: str = ""
