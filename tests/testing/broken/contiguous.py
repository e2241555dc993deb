"""Columns first, where an exchange sends rows."""

from __future__ import annotations

import numpy as np

from .right import Square
from .right_layers import Double
from .table import broken


@broken("layers", "contiguous")
class Fortran(Double):
    def forward(self, x, context):
        y, _ = super().forward(x, context)
        return y, lambda dy: np.asfortranarray(dy * 2)


@broken("losses", "contiguous")
class FortranLoss(Square):
    def forward(self, y, target, context):
        values, backward = super().forward(y, target, context)
        return values, lambda: np.asfortranarray(backward())
