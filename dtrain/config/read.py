"""Reads a config from plain tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from dtrain.errors import ConfigError
from dtrain.wording import shown

from .checks import FLAG, METRIC, NAMES, POSITIVE, STEM, WAIT, either, one_of, whole
from .parts import read_data, read_layer, read_part, read_regularizer, read_schedule
from .plain import copied
from .schema import CheckpointConfig, Config, LayerPart, Part, PluginsConfig, ScaleConfig, TrainConfig
from .table import Table, at

_P = TypeVar("_P")
_KEYS = (
    "name",
    "seed",
    "data",
    "network",
    "loss",
    "optimizer",
    "schedule",
    "train",
    "regularizer",
    "checkpoint",
    "callback",
    "procedure",
    "plugins",
)


def read(tables: Mapping[str, Any], name: str, source: str) -> Config:
    """Returns the config that these tables hold. Raises ConfigError for the first key that is wrong.

    name: what the run is called, unless the config says so itself. source: what messages call the file.
    """
    top = Table(copied(tables, source), "", source)
    top.check_known(_KEYS)  # before a mistyped [optimiser] is reported as a missing [optimizer]
    return Config(
        name=top.take("name", STEM, name),
        seed=top.take("seed", whole(0), 0),
        data=read_data(_needed(top, "data"), "[data]", source),
        network=_network(top),
        loss=read_part(_needed(top, "loss"), "[loss]", source),
        optimizer=read_part(_needed(top, "optimizer"), "[optimizer]", source),
        schedules=_all(top, "schedule", read_schedule),
        regularizers=_all(top, "regularizer", read_regularizer),
        callbacks=_all(top, "callback", read_part),
        procedure=_procedure(top),
        train=_train(_section(top, "train")),
        checkpoint=_checkpoint(_section(top, "checkpoint")),
        plugins=_plugins(_section(top, "plugins")),
        source=source,
    )


def _needed(top: Table, key: str) -> Any:
    value = top.take_raw(key)
    if value is None:
        raise ConfigError(f"{at(top.source, f'[{key}]')}: expected this table, got nothing")
    return value


def _procedure(top: Table) -> Part | None:
    value = top.take_raw("procedure")
    return None if value is None else read_part(value, "[procedure]", top.source)


def _section(top: Table, key: str) -> Table:
    value = top.take_raw(key)
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{at(top.source, f'[{key}]')}: expected a table, got {shown(value)}")
    return Table(value or {}, f"[{key}]", top.source)


def _all(top: Table, key: str, read_one: Callable[[Any, str, str], _P]) -> tuple[_P, ...]:
    value = top.take_raw(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        place = at(top.source, f"[[{key}]]")
        raise ConfigError(f"{place}: expected a list of tables, [[{key}]], got {shown(value)}")
    return tuple(
        read_one(item, f"[[{key}]] #{place}", top.source) for place, item in enumerate(value, start=1)
    )


def _network(top: Table) -> tuple[LayerPart, ...]:
    layers = _all(top, "network", read_layer)
    if not layers:
        raise ConfigError(f"{at(top.source, '[[network]]')}: expected one layer or more, got none")
    seen: dict[str, str] = {}
    for number, layer in enumerate(layers, start=1):
        if layer.id is None:
            continue
        first = seen.setdefault(layer.id, f"[[network]] #{number}")
        if first != f"[[network]] #{number}":
            raise ConfigError(
                f"{layer.where} id: expected an id of its own, got {shown(layer.id)}, which {first} has"
            )
    return layers


def _train(table: Table) -> TrainConfig:
    config = TrainConfig(
        epochs=table.take("epochs", whole(1), None),
        steps=table.take("steps", whole(1), None),
        batch_size=table.take("batch_size", whole(1), 256),
        order=table.take("order", one_of("shuffled", "replacement"), "shuffled"),
        accumulate=table.take("accumulate", whole(1), 1),
        shards=table.take("shards", either(one_of("auto", "ranks"), whole(1)), "auto"),
        metrics=_metrics(table),
        dtype=table.take("dtype", one_of("float32", "float64"), "float32"),
        clip_norm=table.take("clip_norm", POSITIVE, None),
        clip_value=table.take("clip_value", POSITIVE, None),
        non_finite=table.take("non_finite", one_of("stop", "skip"), "stop"),
        time_limit=table.take("time_limit", POSITIVE, None),
        stop_limit=table.take("stop_limit", WAIT, 6.0),
        exchange=_exchange(table),
        scale_lr=_scale_lr(table),
        check_replicas=table.take("check_replicas", whole(0), 100),
    )
    table.finish()
    if (config.epochs is None) == (config.steps is None):
        got = "neither" if config.epochs is None else "both"
        raise ConfigError(f"{table.where}: expected either epochs or steps, got {got}")
    return config


def _scale_lr(train: Table) -> ScaleConfig | None:
    value = train.take_raw("scale_lr")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise train.error("scale_lr", 'a table such as { rule = "linear", reference = 256 }', value)
    table = Table(value, "[train] scale_lr", train.source)
    config = ScaleConfig(
        rule=table.take("rule", one_of("linear", "sqrt")), reference=table.take("reference", whole(1), 256)
    )
    table.finish()
    return config


def _exchange(table: Table) -> Part:
    value = table.take_raw("exchange")
    return read_part("exact" if value is None else value, "[train] exchange", table.source)


def _metrics(table: Table) -> tuple[Any, ...]:
    value = table.take_raw("metrics")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise table.error("metrics", "a list of names or tables", value)
    return tuple(
        read_part(item, f"[train] metrics #{place}", table.source)
        for place, item in enumerate(value, start=1)
    )


def _checkpoint(table: Table) -> CheckpointConfig:
    config = CheckpointConfig(
        minutes=table.take("minutes", POSITIVE, 10.0),
        steps=table.take("steps", whole(1), None),
        keep=table.take("keep", whole(1), 3),
        best=table.take("best", either(FLAG, METRIC), True),
    )
    table.finish()
    return config


def _plugins(table: Table) -> PluginsConfig:
    prefer, block = table.take_raw("prefer"), table.take("block", NAMES, ())
    table.finish()
    return PluginsConfig(prefer=_prefer(prefer, table), block=block)


def _prefer(value: Any, table: Table) -> dict[str, str]:
    """Returns the preferences by `kind.name`, whether their keys were quoted or not."""
    expected = 'a table such as { "optimizers.adam" = "acme" }'
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise table.error("prefer", expected, value)
    flat: dict[str, str] = {}
    for key, plugin in value.items():
        pairs = plugin if isinstance(plugin, Mapping) else {"": plugin}
        for name, choice in pairs.items():
            if not isinstance(choice, str):
                raise table.error("prefer", expected, value)
            flat[f"{key}.{name}".rstrip(".")] = choice
    return flat
