"""What a config holds, once it is checked.

`where` is how messages call the place a part was read from, such as `mnist.toml: [[network]] #2`; it does
not count when configs are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part by name, with its options as they were written: the part's own signature checks them."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = field(default="", compare=False)

    @property
    def shared(self) -> Mapping[str, Any]:
        """The engine's keys that the part gets as options, too, where its signature names them."""
        return {}

    @property
    def place(self) -> str:
        """How messages call the part: where it is named, and its name."""
        return f"{self.where} {self.name}"


@dataclass(frozen=True, kw_only=True)
class LayerPart(Part):
    """A layer, or an activation, of `[[network]]`."""

    id: str | None = None
    inputs: tuple[str, ...] = ()
    """Ids of layers; empty: the layer above."""


@dataclass(frozen=True, kw_only=True)
class SchedulePart(Part):
    """One of `[[schedule]]`."""

    of: str = "lr"
    """The optimizer's option that it drives."""
    unit: Literal["step", "epoch"] = "step"


@dataclass(frozen=True, kw_only=True)
class RegularizerPart(Part):
    """One of `[[regularizer]]`."""

    on: Literal["weights", "biases"] = "weights"
    layers: tuple[str, ...] | None = None
    """Ids of layers; None: all."""


@dataclass(frozen=True, kw_only=True)
class DataPart(Part):
    """`[data]`: a dataset."""

    validation: float = 0.0
    """The fraction that is held out, 0 ≤ validation < 1, unless the dataset brings its own split."""
    seed: int = 0
    """Chooses the rows that are held out; a dataset with an option `seed` gets it, too."""
    transforms: tuple[Part, ...] = ()

    @property
    def shared(self) -> Mapping[str, Any]:
        return {"seed": self.seed}


@dataclass(frozen=True, kw_only=True)
class ScaleConfig:
    """`[train] scale_lr`: the learning rate is meant for a global batch of `reference` samples."""

    rule: Literal["linear", "sqrt"]
    reference: int = 256


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """`[train]`. Exactly one of `epochs` and `steps` is set."""

    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 256
    """Global: the whole job's, for any number of ranks."""
    order: Literal["shuffled", "replacement"] = "shuffled"
    """An epoch takes every sample once, in an order of its own, or draws as many at random, with replacement."""
    accumulate: int = 1
    """Micro-batches a step."""
    shards: int | Literal["auto", "ranks"] = "auto"
    metrics: tuple[Part, ...] = ()
    dtype: Literal["float32", "float64"] = "float32"
    clip_norm: float | None = None
    clip_value: float | None = None
    non_finite: Literal["stop", "skip"] = "stop"
    time_limit: float | None = None
    """Seconds after which a job saves and ends; one that goes on with the run has as many again."""
    stop_limit: float = 6.0
    """Seconds for which the others wait for a rank that has stopped before the job ends; 0: without end."""
    exchange: Part = field(default_factory=lambda: Part(name="exact"))
    """How gradients, or values, meet."""
    scale_lr: ScaleConfig | None = None
    """None: the learning rate is what the optimizer says, whatever the batch."""
    check_replicas: int = 100
    """Updates between two comparisons of what all ranks hold alike; 0: at checkpoints only."""


@dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """`[checkpoint]`; one more is written at the end in any case."""

    minutes: float = 10.0
    """Between two checkpoints; `inf`: never by the clock."""
    steps: int | None = None
    """Between two checkpoints, besides `minutes`."""
    keep: int = 3
    """How many of the last ones stay."""
    best: bool | str = True
    """The best one stays, too: by the loss, or by the metric of this name."""


@dataclass(frozen=True, kw_only=True)
class PluginsConfig:
    """`[plugins]`: which plugin wins, and which are left out."""

    prefer: Mapping[str, str] = field(default_factory=dict)
    """`optimizers.adam` to the name of a plugin."""
    block: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole run."""

    name: str
    """What the run folder is called after: the stem of the file, or the recipe's name."""
    data: DataPart
    network: tuple[LayerPart, ...]
    loss: Part
    optimizer: Part
    train: TrainConfig
    seed: int = 0
    schedules: tuple[SchedulePart, ...] = ()
    regularizers: tuple[RegularizerPart, ...] = ()
    callbacks: tuple[Part, ...] = ()
    procedure: Part | None = None
    """None: plain training."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    plugins: PluginsConfig = field(default_factory=PluginsConfig)
    source: str = field(default="", compare=False)
    """How messages call the file; empty for a config that came as a dict."""
