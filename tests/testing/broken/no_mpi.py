"""Imports mpi4py when it is used; `no_mpi_at_import` holds one that does so in its module."""

from __future__ import annotations

from .right_layers import Double
from .table import broken


@broken("layers", "no_mpi")
class ImportsMpiWhenUsed(Double):
    def forward(self, x, context):
        __import__("mpi4py")
        return super().forward(x, context)
