"""From a config to all the parts of a run, built and checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dtrain.config import Config, Part, resolve, to_table
from dtrain.data import DataRecord, hold_out, record_of
from dtrain.engine import Network, resolve_shards
from dtrain.errors import DataError
from dtrain.registry import Bound, Registry, blaming, compare
from dtrain.registry import Entry as PluginEntry

from .agreement import agree, agree_on
from .checks import check_job, check_split
from .figures import names_of
from .fit import Fit
from .scaling import scale_lr

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.contracts import (
        Callback,
        Dataset,
        Exchange,
        Initializer,
        Layer,
        Loss,
        Metric,
        Optimizer,
        Procedure,
        Regularizer,
        Rows,
        Schedule,
        Schema,
        Transform,
    )
    from dtrain.types import Shape


ONE_CONFIG = "give all ranks one config, or train on each rank alone: dtrain.train(…, alone=True)"
"""What to do about ranks whose configs differ."""


@dataclass
class Job:
    """Everything that a run is made of. config: resolved, with every default and a number of shards."""

    config: Config
    registry: Registry
    shards: int
    train: Rows
    validation: Rows | None
    record: DataRecord
    transforms: list[Transform]
    network: Network
    loss: Loss
    metrics: dict[str, Metric]
    optimizer: Optimizer
    schedules: list[Schedule]
    regularizers: list[Regularizer]
    callbacks: list[Callback]
    exchange: Exchange
    procedure: Procedure | None
    scaled: str | None
    """What was done to the learning rate, in words."""
    warnings: tuple[str, ...]
    """What the dataset has to say of its source."""

    @property
    def steps_per_epoch(self) -> int:
        """Updates of one epoch."""
        return -(-len(self.train) // self.config.train.batch_size)

    @property
    def steps(self) -> int:
        """Updates that the config asks for."""
        config = self.config.train
        return config.steps if config.steps is not None else self.steps_per_epoch * (config.epochs or 0)

    def fit(self, *, training: bool) -> Fit:
        """Return what checks targets of training samples, or of held-out ones, which no transform meets."""
        transforms = self.transforms if training else ()
        metrics = self.metrics.values()
        return Fit(self.registry, self.network.output, self.loss, metrics, transforms, self.record.schema)


def build_job(
    config: Config,
    communicator: Communicator,
    recorded: Iterable[Mapping[str, Any]] = (),
    schema: Schema | None = None,
) -> Job:
    """Finds the plugins, builds every part and reads the data. A collective; errors are raised on all ranks.

    recorded: the table of plugins of the run that goes on. schema: of its data, by which the data are mapped.
    Raises ConfigError where ranks have other configs or other data than rank 0.
    """
    registry = find_parts(config, communicator, recorded)
    with blaming(registry):
        job = agree(communicator, lambda: _build(config, registry, communicator.size, schema))
    agree_on(communicator, to_table(job.config), ONE_CONFIG)
    agree_on(communicator, {"[data] record": job.record.as_dict()}, "let every rank read the same data")
    return job


def find_parts(
    config: Config, communicator: Communicator, recorded: Iterable[Mapping[str, Any]] = ()
) -> Registry:
    """Returns the parts that are installed, the same on all ranks. A collective; recorded: as for `build_job`."""
    plugins = config.plugins
    registry = agree(communicator, lambda: Registry.load(plugins.prefer, plugins.block, recorded=recorded))
    if communicator.size == 1:
        return registry
    offered = communicator.share(registry.rows)
    if any(
        table != offered[0] for table in offered
    ):  # else there is nothing to find, on a thousand ranks as well
        tables = [[PluginEntry.from_dict(row) for row in table] for table in offered]
        agree(communicator, lambda: compare(tables))
    return registry


def _build(config: Config, registry: Registry, ranks: int, schema: Schema | None = None) -> Job:
    shards = resolve_shards(config.train.shards, ranks)
    bound: dict[int, Bound] = {}

    def table_of(kind: str, part: Part) -> dict[str, Any]:
        bound[id(part)] = registry.bind(kind, part.name, part.options, part.where, part.shared)
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
    schedules, regularizers = list(map(made, config.schedules)), list(map(made, config.regularizers))
    callbacks, transforms = list(map(made, config.callbacks)), list(map(made, config.data.transforms))
    exchange = made(config.train.exchange)
    procedure = None if config.procedure is None else made(config.procedure)
    dataset = made(config.data)
    if schema is not None:
        conform(dataset, schema, config.data.where)
    check_split(dataset, config.data)
    train, validation = hold_out(dataset, config.data.validation, config.data.seed)
    scaled = scale_lr(config, optimizer, len(train))
    network = _network(config, registry, layers, train.shape)
    job = Job(
        resolved, registry, shards, train, validation, record_of(dataset), transforms, network, loss, metrics,
        optimizer, schedules, regularizers, callbacks, exchange, procedure, scaled, tuple(dataset.warnings),
    )  # fmt: skip
    check_job(job, ranks)
    return job


def conform(dataset: Dataset, schema: Schema, where: str) -> None:
    """Map a dataset by the names of the data that a run was trained on. Raises DataError for what does not fit."""
    try:
        dataset.conform(schema)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def build_network(config: Config, registry: Registry, shape: Shape) -> Network:
    """Returns the config's network for samples of this shape. Raises ConfigError for what is wrong with a layer."""

    def made(part: Part) -> Any:
        return registry.bind("layers", part.name, part.options, part.where).build()

    return _network(config, registry, _layers(config, made), shape)


def _network(
    config: Config, registry: Registry, layers: Sequence[tuple[str, Layer]], shape: Shape
) -> Network:
    def initializer(name: str) -> Initializer:
        part: Initializer = registry.bind("initializers", name, {}, "[[network]]").build()
        return part

    def describe(layer: Layer) -> str:
        entry = registry.owner(layer)
        return type(layer).__name__ if entry is None else entry.title

    return Network(layers, shape, config.train.dtype, initializer, describe)


def _layers(config: Config, made: Callable[[Part], Any]) -> list[tuple[str, Layer]]:
    counts: dict[str, int] = {}
    layers = []
    for part in config.network:
        counts[part.name] = counts.get(part.name, 0) + 1
        layer = made(part)
        layer.inputs = part.inputs
        layers.append((part.id or f"{part.name}_{counts[part.name]}", layer))
    return layers
