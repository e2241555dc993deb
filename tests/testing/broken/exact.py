"""What is said to be exact, and is not."""

from __future__ import annotations

from .right_exchanges import InRankOrder
from .table import broken


@broken("exchanges", "exact")
class SaysExact(InRankOrder):
    exact = True
