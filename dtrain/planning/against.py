"""How far a plan is from what a run has measured."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtrain.errors import ConfigError

KEYS = ("data", "network", "loss", "optimizer", "regularizer")
"""Tables of a config that decide how long a step takes."""

TRAIN = ("batch_size", "accumulate", "dtype", "exchange", "clip_norm", "clip_value", "metrics", "order")
"""Keys of [train] that do, too."""


@dataclass(frozen=True)
class Run:
    """What an earlier run has left. seconds: the median of its steps."""

    folder: Path
    config: Mapping[str, Any]
    ranks: int
    hosts: int
    shards: int
    seconds: float


@dataclass(frozen=True)
class Compared:
    """A run and what the plan would have said of it; seconds of a step."""

    run: str
    ranks: int
    measured: float
    planned: float

    def __str__(self) -> str:
        off = self.planned / self.measured - 1
        word = "more" if off > 0 else "less"
        return (
            f"last measured: {self.measured * 1e3:.3g} ms a step on {self.ranks} rank{'s' * (self.ranks > 1)} in "
            f"{self.run}; planned {self.planned * 1e3:.3g} ms, {abs(off):.0%} {word}"
        )


def read_run(folder: Path) -> Run:
    """Returns what a finished run has left. Raises ConfigError where it has not."""
    try:
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        config = tomllib.loads((folder / "config.toml").read_text("utf-8"))
        hosts = {one["host"] for one in json.loads((folder / "ranks.json").read_text("utf-8"))}
        run = Run(folder, config, summary["ranks"], len(hosts), summary["shards"], summary["step_seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"plan --against {folder}: expected the folder of a finished run, got {_reason(error)}"
        ) from error
    if not isinstance(run.seconds, float) or run.seconds <= 0:
        raise ConfigError(f"plan --against {folder}: expected a run with steps, got one without")
    return run


def runs_like(config: Mapping[str, Any], place: Path = Path("runs")) -> Iterator[Run]:
    """Yields finished runs of a config, the newest first. config: as `to_table` gives it, resolved."""
    found = sorted(place.glob("*/summary.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found:
        try:
            run = read_run(path.parent)
        except ConfigError:
            continue
        if difference(run.config, config) is None:
            yield run


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Returns the first key in which two configs differ of those that decide how long a step takes, or None."""
    for key in KEYS:
        if one.get(key) != other.get(key):
            return f"[{key}]"
    for key in TRAIN:
        if one["train"].get(key) != other["train"].get(key):
            return f"[train] {key}"
    return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
