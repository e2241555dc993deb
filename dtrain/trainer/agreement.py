"""All ranks go on together, or all of them raise the same error."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from dtrain import errors
from dtrain.errors import DtrainError, UserError, on_all_ranks

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

T = TypeVar("T")


def agree(communicator: Communicator, what: Callable[[], T]) -> T:
    """Returns what() when it went well on every rank; else raises the lowest rank's DtrainError on all of them.

    So one rank can speak for all, and none waits for one that has left. A collective; what() is none.
    """
    result: T | None = None
    error: DtrainError | None = None
    try:
        result = what()
    except DtrainError as raised:
        error = raised
    said = communicator.share(None if error is None else [type(error).__name__, str(error), platform.node()])
    for rank, words in enumerate(said):
        if words is not None:
            name, message, host = words
            if rank > 0:  # it went well on rank 0, as with a plugin or a file that is broken on one host
                raise on_all_ranks(error_named(name, f"rank {rank} of {len(said)} on {host}: {message}"))
            own = error if rank == communicator.rank else None
            raise on_all_ranks(own if own is not None else error_named(name, message))
    return result  # type: ignore[return-value]


def error_named(name: str, message: str) -> DtrainError:
    """Returns the error of this class; a UserError where the class is not one of dtrain's."""
    found = getattr(errors, name, None)
    if isinstance(found, type) and issubclass(found, DtrainError):
        return found(message)
    return UserError(message)
