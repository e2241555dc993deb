"""Reads the tables of parts: takes the engine's keys out, and leaves the part's own options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dtrain.errors import ConfigError
from dtrain.wording import shown

from .checks import FRACTION, IDS, WORD, one_of, whole
from .schema import DataPart, LayerPart, Part, RegularizerPart, SchedulePart
from .table import Table, at


def read_part(value: Any, place: str, source: str) -> Part:
    """Returns a part without keys of the engine."""
    name, table = _named(value, place, source)
    return Part(name=name, options=table.rest(), where=table.where)


def read_layer(value: Any, place: str, source: str) -> LayerPart:
    """Returns one of `[[network]]`."""
    name, table = _named(value, place, source)
    layer_id, inputs = table.take("id", WORD, None), table.take("inputs", IDS, ())
    return LayerPart(name=name, id=layer_id, inputs=inputs, options=table.rest(), where=table.where)


def read_schedule(value: Any, place: str, source: str) -> SchedulePart:
    """Returns one of `[[schedule]]`."""
    name, table = _named(value, place, source)
    of, unit = table.take("of", WORD, "lr"), table.take("unit", one_of("step", "epoch"), "step")
    return SchedulePart(name=name, of=of, unit=unit, options=table.rest(), where=table.where)


def read_regularizer(value: Any, place: str, source: str) -> RegularizerPart:
    """Returns one of `[[regularizer]]`."""
    name, table = _named(value, place, source)
    on, layers = table.take("on", one_of("weights", "biases"), "weights"), table.take("layers", IDS, None)
    return RegularizerPart(name=name, on=on, layers=layers, options=table.rest(), where=table.where)


def read_data(value: Any, place: str, source: str) -> DataPart:
    """Returns `[data]` with its transforms."""
    name, table = _named(value, place, source)
    validation, seed = table.take("validation", FRACTION, 0.0), table.take("seed", whole(0), 0)
    transforms = table.take_raw("transform")
    return DataPart(
        name=name,
        validation=validation,
        seed=seed,
        transforms=_transforms(transforms, source),
        options=table.rest(),
        where=table.where,
    )


def _transforms(value: Any, source: str) -> tuple[Part, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        place = at(source, "[[data.transform]]")
        raise ConfigError(f"{place}: expected a list of tables, [[data.transform]], got {shown(value)}")
    return tuple(
        read_part(item, f"[[data.transform]] #{number}", source) for number, item in enumerate(value, start=1)
    )


def _named(value: Any, place: str, source: str) -> tuple[str, Table]:
    """Returns the name and the table of a part; a string alone is the name of a part without options."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{at(source, place)}: expected a table with a name, got {shown(value)}")
    table = Table(value, place, source)
    return table.take("name", WORD), table
