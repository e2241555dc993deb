"""A step that gets nowhere."""

from __future__ import annotations

from .right import SteepestDescent
from .table import broken


@broken("optimizers", "decreases")
class HardlyMoves(SteepestDescent):
    lr = 1e-6
