"""What some errors of Python and NumPy mean when they come out of a part."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .failure import Failure

if TYPE_CHECKING:
    from .subject import Subject


def in_words(error: Exception, subject: Subject) -> Failure | None:
    """Returns what is wrong, and what to do; None for an error that speaks for itself."""
    text = str(error)
    if isinstance(error, TypeError) and "'Parameter'" in text:
        return Failure(
            f"{text}: a parameter is not its array; compute with self.name.value, read anew in each forward"
        )
    if isinstance(error, TypeError) and "'State'" in text:
        return Failure(f"{text}: a state is not its array; compute with self.name.value")
    factory = subject.bound.factory
    if isinstance(error, AttributeError) and isinstance(factory, type) and isinstance(error.obj, factory):
        return _not_set(error, type(error.obj))
    if isinstance(error, ValueError) and "read-only" in text:
        return Failure(
            f"the part writes an array that it was given ({text}): x, dy and targets belong to other layers; "
            "compute into a new array, or into context.empty(x.shape, x.dtype)"
        )
    return None


def _not_set(error: AttributeError, cls: type) -> Failure | None:
    """Returns the failure of an attribute that a base class sets in an __init__ that was not called."""
    for base in cls.__mro__[1:]:
        made = vars(base).get("__init__")
        if inspect.isfunction(made) and error.name in inspect.unwrap(made).__code__.co_names:
            return Failure(
                f"{error}: {base.__name__}.__init__ sets it, and was not called; "
                f"begin {cls.__name__}.__init__ by super().__init__(…)"
            )
    return None
