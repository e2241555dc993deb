"""Finds plugins, settles which one provides each part, and builds parts from the options of a config."""

from .blame import blame, blaming
from .bound import Bound
from .markers import hookimpl, hookspec
from .registry import Registry
from .table import Entry, compare

__all__ = ["Bound", "Entry", "Registry", "blame", "blaming", "compare", "hookimpl", "hookspec"]
