"""The names and signatures of a part's methods are those that the contract's are called by."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import CodeType
from typing import TYPE_CHECKING, Any

from .failure import Failure, differ

if TYPE_CHECKING:
    from .subject import Subject

_GENERATORS = ("total", "meet")
"""Methods of contracts that are generator functions; no others are."""


def check_signatures(subject: Subject) -> None:
    """Raises Failure for the first method that is misspelt or cannot be called, and for options that are not kept."""
    part = subject.make()
    _check_names(type(part))
    slots = getattr(part, "slots", ())
    if not isinstance(slots, (tuple, list)):
        raise differ(
            "slots", "a tuple of names, such as ('m',)", repr(slots), "('m') is a string: add a comma"
        )
    for name, own, contract in _overridden(type(part)):
        if inspect.isgeneratorfunction(own) and name not in _GENERATORS:
            raise Failure(f"{name} has a `yield` in it: calling it runs nothing; let it return what it found")
        if inspect.iscoroutinefunction(own):
            raise Failure(f"{name} is an `async def`: calling it runs nothing; take `def`")
        _check_call(part, name, contract, len(slots))
    _check_kept(part, subject.bound.options)


def _check_kept(part: Any, options: Mapping[str, Any]) -> None:
    """Raises Failure for an option that the contract reads as an attribute, which has another value."""
    for name, value in options.items():
        kept = getattr(part, name, value)
        if hasattr(_contracts(type(part))[0], name) and type(kept) is type(value) and kept != value:
            raise differ(
                f"self.{name}", repr(value), repr(kept),
                f"the option {name!r} is taken and not kept: call super().__init__({name}={name}), or set "
                f"self.{name} = {name}",
            )  # fmt: skip


def _contracts(cls: type) -> list[type]:
    """Returns the contracts that a class is derived from, the nearest first."""
    return [base for base in cls.__mro__ if base.__module__.startswith("dtrain.contracts.")]


def _own(cls: type) -> dict[str, Any]:
    """Returns what a class and its bases define before the contract, nearest first."""
    own: dict[str, Any] = {}
    for base in cls.__mro__:
        if base in _contracts(cls)[:1]:
            break
        own |= {name: value for name, value in vars(base).items() if name not in own}
    return own


def _names(contract: type) -> set[str]:
    """Returns the public names of a contract, those that are only annotated included."""
    return {
        name
        for base in contract.__mro__
        for name in (*vars(base), *vars(base).get("__annotations__", ()))
        if not name.startswith("_")
    }


def _check_names(cls: type) -> None:
    """Looks for names that nothing asks for, one letter off a name of the contract that is not there."""
    own, known = _own(cls), _names(_contracts(cls)[0])
    methods = [inspect.unwrap(value) for value in own.values() if inspect.isfunction(value)]
    used = {name for method in methods for name in _used(method.__code__)}
    for name in sorted(own.keys() - known - used):
        for meant in get_close_matches(name, sorted(known - own.keys()), 1, 0.85):
            raise Failure(f"{cls.__name__} has {name!r}, which nothing asks for; did you mean {meant!r}?")


def _used(code: Any) -> Iterator[str]:
    """Yields the names of attributes and globals in a function's code, those within it included."""
    if isinstance(code, CodeType):
        yield from code.co_names
        for inner in code.co_consts:
            yield from _used(inner)


def _overridden(cls: type) -> Iterator[tuple[str, Any, Any]]:
    """Yields (name, function, the contract's) of every method that a class has instead of the contract's."""
    own = _own(cls)
    for base in _contracts(cls):
        for name, contract in vars(base).items():
            public = not name.startswith("_") or name == "__call__"
            if public and inspect.isfunction(contract) and inspect.isfunction(own.get(name)):
                yield name, own.pop(name), contract


def _check_call(part: Any, name: str, contract: Any, slots: int) -> None:
    wanted = list(inspect.signature(contract).parameters.values())[1:]
    names = [p.name for p in wanted if p.kind is not p.VAR_POSITIONAL]
    if len(names) < len(wanted):
        names += [f"slot {number + 1}" for number in range(slots)]
    signature = inspect.signature(getattr(part, name))
    try:
        signature.bind(*names)
    except TypeError as error:
        raise Failure(
            f"{name} is called with ({', '.join(names)}), and its signature is {name}{signature}: {error}"
        ) from error
