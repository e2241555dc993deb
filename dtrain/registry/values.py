"""Checks the value of an option against its annotation."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Mapping
from numbers import Integral, Real
from pathlib import Path, PurePath
from typing import Any, TypeAlias

import msgspec

from dtrain.options import Range

from .kinds import kind_of

BindPart: TypeAlias = Callable[[Any, str, object, str], object]
"""(contract, its kind, name or table or instance, where) → a bound part, or the instance."""


class MismatchError(Exception):
    """A value that is not of its annotation."""


def convert(value: Any, annotation: Any, where: str, bind: BindPart) -> Any:
    """Returns the value as its annotation has it: floats for whole numbers, absolute paths, bound parts.

    Raises MismatchError, or what `bind` raises.
    """
    if annotation is Any or annotation is object:
        return _without_numpy(value)
    if kind := kind_of(annotation):
        return _part(value, annotation, kind, where, bind)
    if isinstance(annotation, type) and issubclass(annotation, PurePath):
        return _path(value)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union(value, annotation, where, bind)
    if origin is not None and any(map(special, arguments)):
        return _container(value, origin, arguments, where, bind)
    return _plain(value, annotation)


def special(annotation: Any) -> bool:
    """Return whether an annotation holds paths, parts or ranges, which msgspec does not know."""
    if (
        isinstance(annotation, Range)
        or kind_of(annotation)
        or (isinstance(annotation, type) and issubclass(annotation, PurePath))
    ):
        return True
    return any(map(special, typing.get_args(annotation)))


def _part(value: object, contract: Any, kind: str, where: str, bind: BindPart) -> object:
    if isinstance(value, (str, Mapping, contract)):
        return bind(contract, kind, value, where)
    raise MismatchError


def _path(value: object) -> Path:
    if not isinstance(value, (str, PurePath)) or not str(value):
        raise MismatchError
    return Path(value).expanduser().absolute()


def _union(value: object, annotation: Any, where: str, bind: BindPart) -> Any:
    members = typing.get_args(annotation)
    if not any(map(special, members)):
        return _plain(value, annotation)
    # Parts and paths first: in `Initializer | str` a string is a part's name.
    for member in sorted(members, key=lambda member: not special(member)):
        try:
            return convert(value, member, where, bind)
        except MismatchError:
            continue
    raise MismatchError


def _container(value: Any, origin: Any, arguments: tuple[Any, ...], where: str, bind: BindPart) -> Any:
    if origin is typing.Annotated:
        return _in_range(convert(value, arguments[0], where, bind), arguments[1:])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise MismatchError
        return {key: convert(item, arguments[-1], f"{where}.{key}", bind) for key, item in value.items()}
    if not (isinstance(origin, type) and issubclass(origin, Collection)):  # such as type[Layer]
        return value
    if not isinstance(value, (list, tuple)):
        raise MismatchError
    fixed = origin is tuple and arguments[-1:] != (...,)
    if fixed and len(value) != len(arguments):
        raise MismatchError
    items = [
        convert(item, arguments[number] if fixed else arguments[0], f"{where} #{number + 1}", bind)
        for number, item in enumerate(value)
    ]
    return tuple(items) if origin is tuple else items


def _in_range(value: Any, extras: tuple[Any, ...]) -> Any:
    if not all(value in extra for extra in extras if isinstance(extra, Range)):
        raise MismatchError
    return value


def _plain(value: Any, annotation: Any) -> Any:
    value = _without_numpy(value)
    try:
        return msgspec.convert(value, annotation, strict=True)
    except msgspec.ValidationError as error:
        raise MismatchError from error
    except TypeError:  # an annotation that msgspec does not know
        return _unchecked(value, annotation)


def _unchecked(value: Any, annotation: Any) -> Any:
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return value
    for member in typing.get_args(annotation):
        try:
            return _plain(value, member)
        except MismatchError:
            continue
    raise MismatchError


def _without_numpy(value: Any) -> Any:
    """Returns NumPy's numbers as Python's: a user of `dtrain.train` computes a learning rate, too."""
    if isinstance(value, (bool, int)) or type(value) is float:
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value
