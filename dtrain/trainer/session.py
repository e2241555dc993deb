"""One run from config to result, on one rank of a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.config import load as load_config
from dtrain.errors import ConfigError, NonFiniteError

from .job import agree, build_job
from .progress import Progress
from .run_folder import RunFolder, check_folder, default_folder
from .trainer import Trainer

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.config import Config
    from dtrain.types import Array

    from .result import Result


def train_session(
    load: Callable[[], Config],
    communicator: Communicator,
    out: Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    debug: bool = False,
    prepared: Callable[[Trainer], Any] | None = None,
) -> Result:
    """Trains what `load` returns; a collective of all ranks.

    out: the run folder; by default `runs/<name>-<time>`. debug: looks at every layer's result. prepared: is
    called with the trainer before the first step.
    Raises UserError on all ranks alike before anything was written.
    """
    config = agree(communicator, load)
    folder = _folder(config, communicator, out, resume, overwrite)
    if resume:
        config = agree(communicator, lambda: _as_recorded(config, folder.path))
    job = build_job(config, communicator)
    if debug:
        job.network.watch = _name_non_finite
    trainer = Trainer(job, communicator, folder, Progress(communicator.rank == 0), resume)
    agree(communicator, lambda: folder.create(overwrite))
    if prepared is not None:
        prepared(trainer)
    return trainer.run()


def _folder(
    config: Config, communicator: Communicator, out: Path | None, resume: bool, overwrite: bool
) -> RunFolder:
    """Returns the folder that rank 0 names, checked by it."""
    writes = communicator.rank == 0
    path = Path(communicator.share(str((out or default_folder(config.name)).absolute()))[0])
    agree(communicator, lambda: check_folder(path, resume=resume, overwrite=overwrite) if writes else None)
    return RunFolder(path, writes)


def _as_recorded(config: Config, path: Path) -> Config:
    """Returns the config with the run's number of shards, which fixes its arithmetic."""
    recorded = load_config(path / "config.toml").train.shards
    if isinstance(config.train.shards, int) and config.train.shards != recorded:
        raise ConfigError(
            f"[train] shards: the run was started with {recorded} and keeps them, got {config.train.shards}"
        )
    return replace(config, train=replace(config.train, shards=recorded))


def _name_non_finite(layer: str, phase: str, result: Array) -> None:
    if not np.isfinite(result).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        what = "its output y" if phase == "forward" else "its gradient dx"
        raise NonFiniteError(f"layer {layer!r}, {phase}: {what} is not finite at {where}: {result[where]}")
