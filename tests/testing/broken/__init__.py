"""Parts that are wrong on purpose, each in one way: BROKEN, a file for each check that must say so.

What several checks find lies with the first of them. `np.random` and the like are what is forbidden; here they
are used. `right` and `right_layers` hold what the broken parts are made from.
"""

from __future__ import annotations

from importlib import import_module

from dtrain.testing import IDS

from .table import BROKEN

__all__ = ["BROKEN"]

for check in IDS:
    import_module(f"{__name__}.{check}")
