"""A run's network with the values of one of its checkpoints, on one rank of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtrain.config import Config, Part, load
from dtrain.contracts import Schema
from dtrain.data import Batches, DataRecord
from dtrain.engine import Replica, resolve_shards
from dtrain.errors import CheckpointError, ConfigError, listed
from dtrain.registry import Registry, blaming
from dtrain.trainer import agree
from dtrain.trainer.checkpoint import BEST, SUFFIX, Checkpoint, name_of, newest
from dtrain.trainer.cursor import DATA_SEED, read_run
from dtrain.trainer.job import build_network, conform, find_parts
from dtrain.trainer.logical import snapshot_of

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.config.overrides import Overrides
    from dtrain.contracts import Dataset, Loss, Rows
    from dtrain.engine import Network
    from dtrain.types import Array, Shape

LAST = "last"
"""Asks for the newest checkpoint that is whole."""


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

    def batches(self, rows: Rows) -> Batches:
        """Returns these samples in blocks of the run's batch size, cut into the run's shards."""
        replica, network = self.replica, self.network

        def check(y: Array | None) -> None:
            self.loss.check(y, network.shape)

        cut = replica.shards, replica.first, replica.last
        return Batches(rows, self.config.train.batch_size, *cut, network.dtype, check=check)

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
