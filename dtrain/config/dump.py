"""Writes a config back as TOML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar, cast

from .plain import writable
from .schema import Config, Part
from .write import write

_P = TypeVar("_P", bound=Part)
Resolve = Callable[[str, Part], Mapping[str, Any]]
"""(kind, part) → the part's table with all its options: what `Bound.resolved` of the registry returns."""


def resolve(config: Config, table_of: Resolve) -> Config:
    """Returns the config with the options of every part replaced by those in its table.

    Kinds are spelled as in the hooks, and every layer is asked for as one of the `layers`::

        def table_of(kind, part):
            return registry.bind(kind, part.name, part.options, part.where).resolved()

        resolve(config, table_of)
    """

    def one(kind: str, part: _P) -> _P:
        table = dict(table_of(kind, part))
        return replace(part, name=table.pop("name", part.name), options=table)

    def each(kind: str, parts: tuple[_P, ...]) -> tuple[_P, ...]:
        return tuple(one(kind, part) for part in parts)

    return replace(
        config,
        data=replace(one("datasets", config.data), transforms=each("transforms", config.data.transforms)),
        network=each("layers", config.network),
        loss=one("losses", config.loss),
        optimizer=one("optimizers", config.optimizer),
        schedules=each("schedules", config.schedules),
        regularizers=each("regularizers", config.regularizers),
        callbacks=each("callbacks", config.callbacks),
        procedure=None if config.procedure is None else one("procedures", config.procedure),
        train=replace(
            config.train,
            metrics=each("metrics", config.train.metrics),
            exchange=one("exchanges", config.train.exchange),
        ),
    )


def dump(config: Config) -> str:
    """Returns the config as TOML, from which `load` makes the same config.

    Raises ConfigError for an option that TOML cannot hold.
    """
    return write(to_table(config))


def to_table(config: Config) -> dict[str, Any]:
    """Returns the config in the layout of its file, defaults included; what is None or empty is left out."""
    data = _part(config.data)
    data["transform"] = [_part(part) for part in data.pop("transforms", ())]
    train = asdict(config.train) | {
        "metrics": [_named(part) for part in config.train.metrics],
        "exchange": _named(config.train.exchange),
    }
    table = {
        "name": config.name,
        "seed": config.seed,
        "data": _filled(data),
        "network": [_part(part) for part in config.network],
        "loss": _part(config.loss),
        "optimizer": _part(config.optimizer),
        "schedule": [_part(part) for part in config.schedules],
        "train": _filled(train),
        "regularizer": [_part(part) for part in config.regularizers],
        "checkpoint": asdict(config.checkpoint),
        "callback": [_part(part) for part in config.callbacks],
        "procedure": {} if config.procedure is None else _part(config.procedure),
        "plugins": _filled(asdict(config.plugins)),
    }
    return _filled(cast(dict[str, Any], writable(table)))


def _part(part: Part) -> dict[str, Any]:
    """Returns the table of a part: its name, the engine's keys, its options."""
    keys = {key: value for key, value in vars(part).items() if key not in ("name", "options", "where")}
    empty = {key for key in ("inputs", "transforms") if not keys.get(key)}
    return {"name": part.name} | {key: keys[key] for key in keys if key not in empty} | dict(part.options)


def _named(part: Part) -> str | dict[str, Any]:
    return _part(part) if part.options else part.name


def _filled(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value not in ([], (), {})}
