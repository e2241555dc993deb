"""A run's network with the values of one of its checkpoints, on one rank of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtrain.communicator import SerialCommunicator
from dtrain.config import Config, Part, load
from dtrain.config.dump import to_table
from dtrain.contracts import Schema
from dtrain.data import Blocks, DataRecord
from dtrain.engine import Replica, block_rows, resolve_shards
from dtrain.errors import CheckpointError, ConfigError, listed
from dtrain.registry import Registry, blaming
from dtrain.trainer import agree
from dtrain.trainer.agreement import agree_on
from dtrain.trainer.checkpoint import BEST, SUFFIX, Checkpoint, name_of, newest
from dtrain.trainer.cursor import DATA_SEED, read_run
from dtrain.trainer.job import build_network, conform, find_parts
from dtrain.trainer.logical import snapshot_arrays, snapshot_of, take

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.config.overrides import Overrides
    from dtrain.contracts import Dataset, Loss, Rows
    from dtrain.engine import Network
    from dtrain.types import Array, Shape

LAST = "last"
"""Asks for the newest checkpoint that is whole."""


ONE_FOLDER = "let every rank read the same run folder"
"""What to do about ranks that read other ones, such as copies on the disks of hosts."""


@dataclass
class Trained:
    """path, cursor: of the checkpoint. warnings: about newer ones that are damaged.

    own: the config as the run left it, without changes. data: what the run was trained on; None for a checkpoint of a
    version that did not record it.

    Only the parts that inference needs are built: an optimizer or a dataset that is gone is not missed.
    """

    config: Config
    own: Config
    registry: Registry
    replica: Replica
    loss: Loss
    path: Path
    cursor: Mapping[str, Any]
    warnings: list[str]
    data: DataRecord | None

    @property
    def schema(self) -> Schema:
        """The names of columns and classes of the data that the run was trained on; empty where not recorded."""
        return Schema() if self.data is None else self.data.schema

    @property
    def network(self) -> Network:
        """The network; its values belong to the checkpoint."""
        return self.replica.network

    def blocks(self, rows: Rows, check: Callable[[Array | None], None] = lambda _: None) -> Blocks:
        """Returns this rank's blocks of these samples. check: as for `Batches`."""
        replica, network, train = self.replica, self.network, self.config.train
        size = block_rows(network, train.batch_size // train.accumulate)
        return Blocks(rows, size, replica.shards, replica.first, replica.last, network.dtype, check)

    def twin(self) -> Trained:
        """Returns another network and loss with the same values, for another thread."""
        network = build_network(self.config, self.registry, self.network.input_shape)
        loss = _made(self.registry, "losses", self.config.loss)
        return replace(self, replica=self.replica.twin(network), loss=loss)

    @property
    def data_seed(self) -> int:
        """What chose the rows that are held out: in runs of before `[data] seed`, the run's seed."""
        config = self.config
        return config.data.seed if DATA_SEED in self.cursor["kept"] else config.seed

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset of the config, with columns and classes as the run was trained on.

        Raises DataError where it is not there any more, or has others.
        """
        dataset: Dataset = _made(self.registry, "datasets", self.config.data)
        if self.data is not None:
            conform(dataset, self.data.schema, self.config.data.where)
        return dataset

    def part(self, kind: str, part: Part) -> Any:
        """Returns a part of the config, built."""
        return _made(self.registry, kind, part)


def load_trained(
    communicator: Communicator, folder: Path, wanted: str = LAST, overrides: Overrides = ()
) -> Trained:
    """Returns the network of the run in this folder. A collective; errors are raised on all ranks.

    wanted: which checkpoint: "last", "best", or the name or the step of one. overrides: changes of the config.
    Raises ConfigError, PluginError or CheckpointError for what is missing or does not fit.
    """
    own = agree(communicator, lambda: load(config_in(folder)))
    config = agree(communicator, lambda: load(config_in(folder), overrides)) if overrides else own
    path, warnings = _agreed(communicator, folder / "checkpoints", wanted)
    checkpoint = agree(communicator, lambda: read_run(path))
    agree_on(communicator, to_table(config) | {path.name: checkpoint.cursor}, ONE_FOLDER)
    return assemble(communicator, config, own, checkpoint, path, warnings)


def assemble(
    communicator: Communicator, config: Config, own: Config, checkpoint: Checkpoint, path: Path,
    warnings: list[str],
) -> Trained:  # fmt: skip
    """Returns the network of a config with a checkpoint's values. A collective; errors are raised on all ranks.

    own: the config without the changes that were asked for.
    """
    registry = find_parts(config, communicator, checkpoint.cursor["plugins"])

    def build() -> tuple[int, Network, Loss]:
        shards = resolve_shards(config.train.shards, communicator.size)
        network = build_network(config, registry, _input_shape(config, registry, checkpoint))
        return shards, network, _made(registry, "losses", config.loss)

    with blaming(registry):
        shards, network, loss = agree(communicator, build)
        replica = Replica(network, communicator, shards, config.seed)
        snapshot = agree(communicator, lambda: snapshot_of(replica, checkpoint.arrays, path))
    replica.restore((snapshot.values, snapshot.states))
    recorded = checkpoint.cursor.get("data")
    data = None if recorded is None else DataRecord.from_dict(recorded, path)
    return Trained(config, own, registry, replica, loss, path, checkpoint.cursor, warnings, data)


def plain(trained: Trained) -> dict[str, Any]:
    """Returns all that inference needs as plain values and arrays: what `rebuilt` takes."""
    return {
        "config": to_table(trained.config),
        "arrays": snapshot_arrays(trained.replica, take(trained.replica)),
        "cursor": {**trained.cursor, "input": list(trained.network.input_shape)},
        "path": str(trained.path),
    }


def rebuilt(held: Mapping[str, Any]) -> Trained:
    """Returns the network that `plain` has taken apart. Raises UserError where a part is not installed."""
    checkpoint = Checkpoint(held["arrays"], held["cursor"])
    config = load(held["config"])
    return assemble(SerialCommunicator(), config, config, checkpoint, Path(held["path"]), [])


def config_in(folder: Path) -> Path:
    """Returns the path of the config that a run has left in its folder. Raises ConfigError where there is none."""
    path = folder / "config.toml"
    try:
        if path.is_file():
            return path
        got = (
            "a folder without config.toml" if folder.is_dir() else "a file" if folder.exists() else "nothing"
        )
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        got = getattr(error, "strerror", None) or str(error)
    raise ConfigError(f"{folder}: expected the folder of a run, got {got}")


def _agreed(communicator: Communicator, folder: Path, wanted: str) -> tuple[Path, list[str]]:
    """Returns the checkpoint that rank 0 chooses."""
    speaks = communicator.rank == 0
    found = agree(communicator, lambda: choose(folder, wanted) if speaks else None)
    name, warnings = communicator.share(None if found is None else [found[0].name, found[1]])[0]
    return folder / name, warnings


def choose(folder: Path, wanted: str) -> tuple[Path, list[str]]:
    """Returns a checkpoint of the folder, and warnings. Raises CheckpointError where it is not there."""
    if wanted == LAST:
        advice = "train on with `dtrain train --resume`, or take another run"
        return newest(folder, "a checkpoint", advice, read_run)
    name = name_of(int(wanted)) if wanted.isdecimal() else BEST if wanted == "best" else Path(wanted).name
    path = folder / (name if name.endswith(SUFFIX) else name + SUFFIX)
    if not path.is_file():
        there = listed(found.name for found in folder.glob(f"*{SUFFIX}"))
        raise CheckpointError(
            f"{folder}: expected 'last', 'best', or the name or step of a checkpoint, got {wanted!r}; "
            f"there are {there}"
        )
    return path, []


def _input_shape(config: Config, registry: Registry, checkpoint: Checkpoint) -> Shape:
    """Returns the shape of one sample, as recorded; a checkpoint that says nothing of it leaves it to the data."""
    recorded = checkpoint.cursor.get("input")
    if recorded is not None:
        return tuple(recorded)
    dataset: Dataset = _made(registry, "datasets", config.data)
    return dataset.train.shape


def _made(registry: Registry, kind: str, part: Part) -> Any:
    return registry.bind(kind, part.name, part.options, part.where, part.shared).build()
