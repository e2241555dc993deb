"""Examples from a config: a part is checked with the options, the data and the shapes that a run would give it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.config import Config, load
from dtrain.errors import UserError
from dtrain.registry import Bound, Registry
from dtrain.trainer.job import build_network

from .subject import KEYS, installed

if TYPE_CHECKING:
    from dtrain.engine import Network
    from dtrain.types import Array, Shape

Example = dict[str, Any]


def examples_of(
    config: str | os.PathLike[str] | Mapping[str, Any], registry: Registry | None = None
) -> dict[tuple[str, str], list[Example]]:
    """Returns an example for each part that a config names, by (kind, name), parts among options included.

    Layers get the shape of their input in the config's network; losses, metrics and transforms the data's targets.
    Raises ConfigError and DataError for a config, or a file it names, that is wrong.
    """
    known = registry or installed()
    run = load(config)
    found: dict[tuple[str, str], list[Example]] = {}
    taken = _Taken(run, known)
    for bound, keys in _parts(run, known, taken):
        for one in _with_inner(bound):
            inherited = _declared(one) if one.kind in KEYS else {}
            example = _given(one) | inherited | (keys if one is bound else {})
            mine = found.setdefault((one.kind, one.name), [])
            if example not in mine and (
                one is bound or one.kind != "layers"
            ):  # inner layers: of unknown input
                mine.append(example)
    return {part: examples for part, examples in found.items() if examples}


class _Taken:
    """The data and the network of a config, as far as they can be built: the part under test may be broken."""

    def __init__(self, config: Config, registry: Registry) -> None:
        self.target: Array | None = None
        self.shape: Shape | None = None
        self.network: Network | None = None
        try:
            rows = (
                registry.bind("datasets", config.data.name, config.data.options, config.data.where)
                .build()
                .train
            )
            self.shape = rows.shape
            self.target = rows.rows(np.arange(min(len(rows), 100)))[1]
            self.network = build_network(config, registry, rows.shape)
        except UserError:
            raise
        except Exception:
            return  # the checks say what is wrong with it

    def rows(self, shape: Shape | None) -> Example:
        """Returns the keys for a part that takes rows of this shape, with targets."""
        target = self.target

        def drawn(random: Any, rows: int, _: Shape) -> Array:
            assert target is not None
            return np.asarray(target[random.integers(0, len(target), rows)])

        keys: Example = {} if shape is None else {"input": shape}
        return keys if target is None or shape is None else keys | {"target": drawn}

    def inputs(self, number: int) -> Example:
        """Returns the keys for a layer of the network."""
        if self.network is None or self.shape is None:
            return {}
        shapes = [self.shape, *(node.shape for node in self.network.nodes)]
        taken = [shapes[i] for i in self.network.nodes[number].inputs]
        return {"input": taken[0] if len(taken) == 1 else taken}


def _parts(config: Config, registry: Registry, taken: _Taken) -> Iterator[tuple[Bound, Example]]:
    """Yields every part of a config with the keys that the run says of it."""
    out = None if taken.network is None else taken.network.shape
    tables: list[tuple[str, Any, Example]] = [
        ("datasets", config.data, {}),
        *(("transforms", part, taken.rows(taken.shape)) for part in config.data.transforms),
        *(("layers", part, taken.inputs(number)) for number, part in enumerate(config.network)),
        ("losses", config.loss, taken.rows(out)),
        *(("metrics", part, taken.rows(out)) for part in config.train.metrics),
        ("optimizers", config.optimizer, {}),
        *(("schedules", part, {}) for part in config.schedules),
        *(("regularizers", part, {}) for part in config.regularizers),
        *(("callbacks", part, {}) for part in config.callbacks),
        ("exchanges", config.train.exchange, {}),
        *(("procedures", part, {}) for part in (config.procedure,) if part is not None),
    ]
    for kind, part, keys in tables:
        yield registry.bind(kind, part.name, part.options, part.where), keys


def _with_inner(value: Any) -> Iterator[Bound]:
    """Yields a part and those among its options."""
    if isinstance(value, Bound):
        yield value
        value = value.options
    for inner in (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    ):
        yield from _with_inner(inner)


def _given(bound: Bound) -> Example:
    return {
        name: value
        for name, value in bound.resolved().items()
        if name in bound.options.keys() - bound.defaults
    }


def _declared(bound: Bound) -> Example:
    """Returns what the part's first example says of its input, such as its range."""
    first = next(iter(getattr(bound.factory, "examples", None) or [{}]))
    return {key: value for key, value in first.items() if key in KEYS[bound.kind]}
