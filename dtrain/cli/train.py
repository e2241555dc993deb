"""`dtrain train`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dtrain.communicator.environment import left_idle
from dtrain.config import Config, load
from dtrain.config.duration import seconds
from dtrain.errors import ConfigError, UserError
from dtrain.threads import set_threads, threads_for

from .guard import Scope


def train(options: argparse.Namespace, scope: Scope) -> int:
    """Trains a config; under a launcher, this rank's part of the job. Returns the exit code."""
    if tasks := left_idle():
        print(
            f"dtrain: warning: one process, though Slurm has {tasks} tasks ready for this job; "
            "`dtrain launch -- train …` uses them all",
            file=sys.stderr,
        )
    config, limit, error = _load(options)
    shards = config.train.shards if config else "auto"
    set_threads(threads_for(shards, scope.launched.local_size if scope.launched else 1))
    from dtrain.trainer import Trainer, train_session  # NumPy: after the threads are set

    def loaded() -> Config:
        if config is None:
            assert error is not None
            raise error
        return config

    def note(trainer: Trainer) -> None:
        scope.where = lambda: f"epoch {trainer.epoch + 1}, step {trainer.step + 1}"

    result = train_session(
        loaded,
        scope.open(),
        Path(options.out) if options.out else None,
        resume=options.resume,
        overwrite=options.overwrite,
        time_limit=limit,
        prepared=note,
    )
    return result.code


def _load(options: argparse.Namespace) -> tuple[Config | None, float | None, UserError | None]:
    """Returns the config, this job's time limit, and what is wrong with them.

    Errors are not raised yet: the ranks hear of each other's before any speaks.
    """
    source = options.config or "digits"
    try:
        if options.resume and options.config is None:
            source = _recorded(options.out)
        limit = None if options.time_limit is None else seconds(options.time_limit, "--time-limit")
        return load(source, options.set), limit, None
    except UserError as error:
        return None, None, error


def _recorded(out: str | None) -> str:
    """Returns the path of the config that the run in `out` has recorded."""
    if not out:
        raise ConfigError("--resume: expected --out with the folder of the run to go on with")
    path = Path(out) / "config.toml"
    if not path.is_file() and (path.parent / "checkpoints").is_dir():
        raise ConfigError(
            f"--resume: expected {path}, got none: the run was killed before it had written it; name its "
            f"config: dtrain train CONFIG --resume --out {out}"
        )
    if not path.is_file():
        raise ConfigError(f"--resume: expected a run in {path.parent}, got none; start it without --resume")
    return str(path)
