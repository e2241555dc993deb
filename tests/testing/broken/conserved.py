"""What gets lost, or comes from nowhere."""

from __future__ import annotations

from .right_exchanges import InRankOrder, Largest, Mean
from .table import broken


@broken("exchanges", "conserved")
class ForgetsTheRest(Largest):
    """The residual stays zero."""

    def total(self, part):
        yield from super().total(part)
        part.slots["residual"][:] = 0


@broken("exchanges", "conserved")
class TwiceTheGradient(InRankOrder):
    def total(self, part):
        yield from super().total(part)
        part.gradient[:] *= 2


@broken("exchanges", "conserved")
class DriftsAway(Mean):
    """Adds a little at every meeting, whether anyone has moved or not."""

    def meet(self, part):
        yield from super().meet(part)
        part.value[:] += 1e-3
