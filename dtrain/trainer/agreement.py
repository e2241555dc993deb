"""All ranks go on together, or all of them raise the same error."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from dtrain import errors
from dtrain.errors import ConfigError, DtrainError, UserError, on_all_ranks
from dtrain.wording import shown

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

T = TypeVar("T")

ABSENT = object()


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


def agree_on(communicator: Communicator, facts: Mapping[str, Any], advice: str) -> None:
    """Raise ConfigError on all ranks if one of them states other facts than rank 0. A collective.

    facts: what must be the same on all ranks, JSON values by the words that name them in the message; tables and lists
    are compared entry by entry. advice: what to do about a difference. Ranks exchange a hash, and the facts themselves
    only where the hashes differ.
    """
    if communicator.size == 1:
        return
    flat = dict(_entries("", facts))
    digest = hashlib.sha256(json.dumps(flat, default=str, sort_keys=True).encode()).hexdigest()
    digests = communicator.share(digest)
    if all(digest == digests[0] for digest in digests):
        return
    stated = communicator.share([json.loads(json.dumps(flat, default=str)), platform.node()])
    expected = stated[0][0]
    for rank, (got, host) in enumerate(stated):
        for key in (*expected, *got):
            if expected.get(key, ABSENT) != got.get(key, ABSENT):
                raise on_all_ranks(
                    ConfigError(
                        f"{key}: expected the same on all ranks, {shown(expected.get(key))} as on rank 0, "
                        f"got {shown(got.get(key))} on rank {rank} of {len(stated)} on {host}; {advice}"
                    )
                )


def _entries(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each number, string, … of nested tables and lists, with its dotted name."""
    if isinstance(value, Mapping):
        pairs: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, (list, tuple)):
        pairs = enumerate(value)
    else:
        yield name, value
        return
    for key, item in pairs:
        yield from _entries(f"{name}.{key}" if name else str(key), item)
