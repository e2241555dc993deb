"""Reads, checks and writes the config of a run. Knows keys and values, but no part by name."""

from .dump import dump, resolve, to_table
from .load import load
from .recipes import recipes
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

__all__ = [
    "CheckpointConfig",
    "Config",
    "DataPart",
    "LayerPart",
    "Part",
    "PluginsConfig",
    "RegularizerPart",
    "ScaleConfig",
    "SchedulePart",
    "TrainConfig",
    "dump",
    "load",
    "recipes",
    "resolve",
    "to_table",
]
