"""dtrain from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtrain.communicator import launched, open_communicator
from dtrain.config import load
from dtrain.threads import set_threads, threads_for

if TYPE_CHECKING:
    from dtrain.trainer.result import Result


def train(
    source: str | os.PathLike[str] | Mapping[str, Any],
    set: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
) -> Result:
    """Trains a config and returns its result; under `mpirun`, this rank's part of the job.

    source: a recipe's name, the path of a TOML file, or tables. set: changes, `{"optimizer.lr": 0.01}`.
    out: the run folder, by default `runs/<name>-<time>`. resume: go on with the run in `out`. overwrite:
    replace it.
    Raises UserError (ConfigError, DataError, PluginError, CheckpointError) for a mistake in any of them.
    """
    config = load(source, set or {})
    here = launched()
    set_threads(threads_for(config.train.shards, here.local_size if here else 1))
    from dtrain.trainer import train_session  # NumPy: after the threads are set

    communicator = open_communicator(here)
    folder = None if out is None else Path(out)
    result = train_session(lambda: config, communicator, folder, resume=resume, overwrite=overwrite)
    communicator.close()
    return result
