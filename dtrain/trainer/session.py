"""One run from config to result, on one rank of a job."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain import __version__
from dtrain.config import load as load_config
from dtrain.config import to_table
from dtrain.data import DataRecord
from dtrain.errors import ConfigError, RankLost, on_all_ranks
from dtrain.registry import blaming

from .agreement import agree, agree_on
from .checkpoint import are_in
from .job import ONE_CONFIG, build_job
from .lead import check_resume
from .progress import Progress
from .recovery import Way, recover
from .run_folder import RunFolder, check_folder, default_folder
from .trainer import Trainer
from .watch import Watch

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.config import Config
    from dtrain.contracts import Schema

    from .result import Result


def train_session(
    load: Callable[[], Config],
    communicator: Communicator,
    out: Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    time_limit: float | None = None,
    debug: bool = False,
    prepared: Callable[[Trainer], Any] | None = None,
) -> Result:
    """Trains what `load` returns; a collective of all ranks.

    out: the run folder; by default `runs/<name>-<time>`. time_limit: seconds, of this job alone: over the config's,
    and not recorded. debug: looks at every layer's result. prepared: is called with the trainer before the first
    step.
    Raises UserError on all ranks alike; a run that fails before its first step has written nothing.
    """
    trainer: Trainer | None = None
    while True:
        try:
            if trainer is None:
                trainer = _trainer(load, communicator, out, resume, overwrite, time_limit)
                communicator.watch_over(trainer.place, trainer.job.config.train.stop_limit)
                if debug:
                    trainer.job.network.watch = Watch(trainer.job.network)
                if prepared is not None:
                    prepared(trainer)
            return trainer.run()
        except RankLost:
            if not communicator.recovers:
                raise
        way = recover(communicator, trainer)
        if way is not Way.IN_PLACE and trainer is not None:
            out = trainer.folder.path if trainer.opened else out
            resume = resume or way is Way.FROM_CHECKPOINT
            overwrite = not resume  # what is there by now, this job has written
            trainer = None


def _trainer(
    load: Callable[[], Config],
    communicator: Communicator,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    time_limit: float | None,
) -> Trainer:
    config = agree(communicator, load)
    agree_on(communicator, _asked(config, out, resume, overwrite, time_limit), ONE_CONFIG)
    folder = _folder(config, communicator, out, resume, overwrite)
    if resume:
        agree(communicator, lambda: check_resume(config))
        config = agree(communicator, lambda: _as_recorded(config, folder.path))
    if time_limit is not None:
        config = replace(config, train=replace(config.train, time_limit=time_limit))
    schema = _recorded_schema(folder, communicator) if resume else None
    job = build_job(config, communicator, folder.recorded_plugins() if resume else (), schema)
    with blaming(job.registry):
        return Trainer(job, communicator, folder, Progress(communicator.rank == 0), resume)


def _recorded_schema(folder: RunFolder, communicator: Communicator) -> Schema | None:
    """Returns the schema of the data that the run was trained on, as rank 0 finds it; None where none was recorded."""
    recorded = agree(communicator, folder.recorded_data)
    record = communicator.share(None if recorded is None else recorded.as_dict())[0]
    return None if record is None else DataRecord.from_dict(record, folder.path).schema


def _asked(
    config: Config, out: Path | None, resume: bool, overwrite: bool, time_limit: float | None
) -> dict[str, Any]:
    """Return what all ranks must have been asked alike, and the versions that they must have alike."""
    options = {
        "out": None if out is None else str(out),
        "resume": resume,
        "overwrite": overwrite,
        "time_limit": time_limit,
    }
    versions = {"dtrain": __version__, "NumPy": np.__version__, "Python": platform.python_version()}
    return options | to_table(config) | {"version of": versions}


def _folder(
    config: Config, communicator: Communicator, out: Path | None, resume: bool, overwrite: bool
) -> RunFolder:
    """Returns the folder that rank 0 names, checked by it."""
    if resume and out is None:
        raise on_all_ranks(ConfigError("--resume: expected --out with the folder of the run to go on with"))
    writes = communicator.rank == 0
    free = partial(default_folder, config.name) if out is None else None
    path = Path(
        communicator.share(str(out.absolute() if out is not None else default_folder(config.name)))[0]
    )
    agree(communicator, lambda: check_folder(path, resume=resume, overwrite=overwrite) if writes else None)
    return RunFolder(path, writes, overwrite=overwrite, free=free, time_limit=config.train.time_limit)


def _never_recorded(config: Config, path: Path) -> Config:
    """Returns the config for a run that was killed before it had written its own; nothing was saved by then."""
    if are_in(path / "checkpoints"):
        raise ConfigError(
            f"--resume: expected the config.toml of the run in {path}, got none; start again with --overwrite"
        )
    return config


def _as_recorded(config: Config, path: Path) -> Config:
    """Returns the config with the run's number of shards. Raises ConfigError where it would be another run."""
    if not (path / "config.toml").is_file():
        return _never_recorded(config, path)
    recorded = load_config(path / "config.toml")
    was, now = recorded.train, config.train
    kept: list[tuple[str, object, object]] = [
        ("seed", recorded.seed, config.seed),
        ("[train] batch_size", was.batch_size, now.batch_size),
        ("[train] dtype", was.dtype, now.dtype),
        ("[train] shards", was.shards, now.shards if isinstance(now.shards, int) else was.shards),
    ]
    for key, before, wanted in kept:
        if before != wanted:
            raise ConfigError(
                f"{key}: expected {before}, with which the run in {path} was started and which it keeps, "
                f"got {wanted}; start a new run for another"
            )
    return replace(config, train=replace(now, shards=was.shards))
