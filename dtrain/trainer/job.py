"""From a config to all the parts of a run, built and checked against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dtrain.config import Config, Part, resolve
from dtrain.data import hold_out
from dtrain.engine import Network, resolve_shards
from dtrain.errors import ConfigError, DataError, UserError, on_all_ranks
from dtrain.registry import Bound, Registry, compare
from dtrain.registry import Entry as PluginEntry

from .figures import names_of

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.contracts import (
        Callback,
        Initializer,
        Layer,
        Loss,
        Metric,
        Optimizer,
        Regularizer,
        Rows,
        Schedule,
        Transform,
    )

T = TypeVar("T")


@dataclass
class Job:
    """Everything that a run is made of. config: resolved, with every default and a number of shards."""

    config: Config
    registry: Registry
    shards: int
    train: Rows
    validation: Rows | None
    transforms: list[Transform]
    network: Network
    loss: Loss
    metrics: dict[str, Metric]
    optimizer: Optimizer
    schedules: list[Schedule]
    regularizers: list[Regularizer]
    callbacks: list[Callback]


def agree(communicator: Communicator, what: Callable[[], T]) -> T:
    """Returns what() when it went well on every rank; else raises the lowest rank's UserError on all of them.

    So one rank can speak for all, and none waits for one that has left. A collective.
    """
    result: T | None = None
    error: UserError | None = None
    try:
        result = what()
    except UserError as raised:
        error = raised
    messages = communicator.share(None if error is None else str(error))
    for rank, message in enumerate(messages):
        if message is not None:
            raise on_all_ranks(
                error if error is not None and rank == communicator.rank else UserError(message)
            )
    return result  # type: ignore[return-value]


def build_job(config: Config, communicator: Communicator) -> Job:
    """Finds the plugins, builds every part and reads the data. A collective; errors are raised on all ranks."""
    registry = agree(communicator, lambda: Registry.load(config.plugins.prefer, config.plugins.block))
    rows = [entry.as_dict() for entry in registry.table()]
    tables = [[PluginEntry.from_dict(row) for row in table] for table in communicator.share(rows)]
    agree(communicator, lambda: compare(tables))
    return agree(communicator, lambda: _build(config, registry, communicator.size))


def _build(config: Config, registry: Registry, ranks: int) -> Job:
    shards = resolve_shards(config.train.shards, ranks)
    bound: dict[int, Bound] = {}

    def table_of(kind: str, part: Part) -> dict[str, Any]:
        bound[id(part)] = registry.bind(kind, part.name, part.options, part.where)
        return bound[id(part)].resolved()

    def made(part: Part) -> Any:
        return bound[id(part)].build()

    resolved = resolve(config, table_of)
    resolved = replace(resolved, train=replace(resolved.train, shards=shards))
    layers = _layers(config, made)
    loss, optimizer = made(config.loss), made(config.optimizer)
    metrics = dict(
        zip(names_of([p.name for p in config.train.metrics]), map(made, config.train.metrics), strict=True)
    )
    _check_schedules(config, optimizer)
    schedules, regularizers = list(map(made, config.schedules)), list(map(made, config.regularizers))
    callbacks, transforms = list(map(made, config.callbacks)), list(map(made, config.data.transforms))
    dataset = made(config.data)
    train, validation = hold_out(dataset, config.data.validation, config.seed)

    def initializer(name: str) -> Initializer:
        part: Initializer = registry.bind("initializers", name, {}, "[[network]]").build()
        return part

    def describe(layer: Layer) -> str:
        entry = registry.owner(layer)
        return type(layer).__name__ if entry is None else f"{entry.name} from {entry.origin}"

    network = Network(layers, train.shape, config.train.dtype, initializer, describe)
    job = Job(
        resolved, registry, shards, train, validation, transforms, network, loss, metrics, optimizer,
        schedules, regularizers, callbacks,
    )  # fmt: skip
    _check_data(job)
    return job


def _layers(config: Config, made: Callable[[Part], Any]) -> list[tuple[str, Layer]]:
    counts: dict[str, int] = {}
    layers = []
    for part in config.network:
        counts[part.name] = counts.get(part.name, 0) + 1
        layer = made(part)
        layer.inputs = part.inputs
        layers.append((part.id or f"{part.name}_{counts[part.name]}", layer))
    return layers


def _check_schedules(config: Config, optimizer: Optimizer) -> None:
    for part in config.schedules:
        value = getattr(optimizer, part.of, None)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            options = [name for name, v in vars(optimizer).items() if isinstance(v, float)]
            raise ConfigError(
                f"{part.where}: of = {part.of!r}: optimizer {config.optimizer.name!r} has no such number; "
                f"it has {', '.join(map(repr, options)) or 'none'}"
            )


def _check_data(job: Job) -> None:
    """Checks targets against the loss and the network: all of them where they are in memory, else the first."""
    for name, rows in (("training", job.train), ("validation", job.validation)):
        if rows is None:
            continue
        if not len(rows):
            raise DataError(f"{job.config.data.where}: there are no {name} samples")
        if rows.shape != job.train.shape:
            raise DataError(
                f"{job.config.data.where}: a validation sample has shape {rows.shape}, "
                f"a training sample {job.train.shape}"
            )
        for start in range(0, len(rows) if rows.whole else 1, 65536):
            _, y = rows.rows(np.arange(start, min(start + 65536, len(rows)) if rows.whole else 1))
            try:
                job.loss.check(y, job.network.shape)
            except ValueError as error:
                raise DataError(f"{job.config.data.where} ({name} samples): {error}") from error
