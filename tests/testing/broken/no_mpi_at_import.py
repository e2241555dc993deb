"""A part whose module imports mpi4py: at import nothing is initialized yet, but it must not be there."""

from __future__ import annotations

from dtrain import Activation


class ImportsMpi(Activation):
    """y = x."""

    def forward(self, x, context):
        def unused():
            from mpi4py import MPI  # noqa: F401

        return x, lambda dy: dy
