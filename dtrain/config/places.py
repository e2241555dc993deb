"""Which table of a config a key belongs to: for messages about keys that stand in another one."""

from __future__ import annotations

from dataclasses import fields

from dtrain.errors import did_you_mean
from dtrain.nearest import nearest

from .schema import (
    CheckpointConfig,
    Config,
    DataPart,
    LayerPart,
    Part,
    PluginsConfig,
    RegularizerPart,
    ScaleConfig,
    SchedulePart,
    TrainConfig,
)

_IN_A_LIST = {
    "schedules": "schedule",
    "regularizers": "regularizer",
    "callbacks": "callback",
    "transforms": "transform",
}
"""From attributes to the keys that they are read from, where these differ."""

_SCHEMAS: dict[str, type] = {
    "": Config,
    "[train]": TrainConfig,
    "[train] scale_lr": ScaleConfig,
    "[checkpoint]": CheckpointConfig,
    "[plugins]": PluginsConfig,
    "[data]": DataPart,
    "[[network]]": LayerPart,
    "[[schedule]]": SchedulePart,
    "[[regularizer]]": RegularizerPart,
}
_NO_KEYS = {"source", "options", "where"}

_OF_CONTRACTS = {"[optimizer]": ["lr"]}
"""Options that a contract promises of every part."""


def _keys(schema: type) -> list[str]:
    """Returns the keys of a table; of a part's, those of the engine alone."""
    left_out = _NO_KEYS | ({"name"} if issubclass(schema, Part) else set())
    names = [field.name for field in fields(schema) if field.name not in left_out]
    return [_IN_A_LIST.get(name, name) for name in names]


PLACES = {place: _keys(schema) for place, schema in _SCHEMAS.items()} | _OF_CONTRACTS


def suggestion(key: str, known: list[str], place: str | None = None) -> str:
    """Returns `; did you mean …?` for a key that the table at `place` does not know, or nothing.

    known: the keys of that table. place: None for the options of a part. A key of another table counts for more than
    one that is only like it in this one, but for the options of a part.
    """
    elsewhere = [f"{other} {key}".strip() for other, keys in PLACES.items() if key in keys and other != place]
    here = did_you_mean(key, known)
    if not elsewhere and not here:
        near = {other: nearest(key, keys) for other, keys in PLACES.items() if other != place}
        elsewhere = [f"{other} {name}".strip() for other, name in near.items() if name]
        elsewhere = elsewhere if len(elsewhere) == 1 else []
    if not elsewhere or (here and place is None):  # `unit` of a layer is its `units`, not that of a schedule
        return here
    return f"; did you mean {' or '.join(map(_spelled, elsewhere))}?"


def _spelled(place: str) -> str:
    return place if place.startswith("[") else f"{place!r} at the top level"
