"""Finds plugins, settles which one provides each part, and builds parts from the options of a config."""

from .blame import blaming
from .bound import Bound
from .markers import hookimpl, hookspec
from .registry import Registry
from .table import Entry, compare

__all__ = ["Bound", "Entry", "Registry", "blaming", "compare", "hookimpl", "hookspec"]
