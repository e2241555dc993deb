"""dtrain from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtrain.communicator import launched, open_communicator
from dtrain.communicator.leaving import exit_if_uncaught
from dtrain.config import load as load_config
from dtrain.errors import ConfigError, DtrainError, UserError
from dtrain.threads import set_threads, threads_for
from dtrain.wording import shown

if TYPE_CHECKING:
    from dtrain.communicator.environment import Launched
    from dtrain.config import Config
    from dtrain.inference import Model
    from dtrain.trainer.result import Result
    from dtrain.verification import Verification


def train(
    source: str | os.PathLike[str] | Mapping[str, Any],
    set: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    ranks: int | None = None,
    alone: bool = False,
) -> Result:
    """Trains a config and returns its result; under `mpirun`, this rank's part of the job.

    source: a recipe's name, the path of a TOML file, or tables. set: changes, `{"optimizer.lr": 0.01}`.
    out: the run folder, by default `runs/<name>-<time>`. resume: go on with the run in `out`. overwrite:
    replace it. ranks: starts that many processes on this machine, as `dtrain launch -n` does, and waits for
    them; None: this process alone. alone: trains in this process by itself, also under `mpirun`, where all ranks
    otherwise train one config together: each rank may then train a config of its own.
    Raises UserError (ConfigError, DataError, PluginError, CheckpointError) for a mistake in any of them, and
    RunError, or what a part raised, for a failure while running. A script under `mpirun` that does not catch an error
    of all ranks ends with one line and the exit code of the command: 2 for a UserError, else 1.
    """
    _check(ranks, alone, resume, overwrite, out)
    config = load_config(source, set or {})
    here = launched()
    folder = None if out is None else Path(out)
    if ranks is not None:
        _check_not_launched(here)
        return _in_ranks(config, ranks, folder, resume, overwrite)
    set_threads(threads_for(config.train.shards, here.local_size if here else 1))
    from dtrain.trainer import train_session  # NumPy: after the threads are set

    communicator = open_communicator(here, mpi=False if alone else "auto")
    try:
        result = train_session(lambda: config, communicator, folder, resume=resume, overwrite=overwrite)
    except DtrainError as error:
        if error.everywhere:
            communicator.close()
        if error.everywhere and communicator.size > 1:
            exit_if_uncaught(error, 2 if isinstance(error, UserError) else 1, communicator.rank)
        raise
    communicator.close()
    return result


def verify(
    source: str | os.PathLike[str] | Mapping[str, Any],
    ranks: Sequence[int] = (1, 2, 3, 5),
    *,
    steps: int = 20,
    set: Mapping[str, Any] | None = None,
    processes: bool = False,
    private: bool = False,
    tolerance: float | None = None,
) -> Verification:
    """Trains some steps of a config on each number of ranks and compares every bit with the first number's.

    source, set: as of `train`. processes: ranks are processes instead of threads of this one. private: no rank
    sees another's memory, as on different hosts. tolerance: for `shards = "ranks"`, whose sums differ in rounding.
    Returns what was found: `passed`, `equal`, `outcomes`, and a table as its text. Leaves no run folder.
    Raises UserError for a mistake in any of them, and what a run raised that fails on every number of ranks.

    >>> import dtrain
    >>> found = dtrain.verify("softmax_regression", ranks=(1, 2), steps=2)
    >>> found.equal
    True
    """
    here = launched()
    if here is not None and here.size > 1:
        raise ConfigError(
            "verify: expected one process, which starts all ranks by itself, got mpirun; leave it out"
        )
    config = load_config(source, set or {})
    set_threads(1)
    from dtrain.verification import verify_config  # NumPy: after the threads are set

    return verify_config(
        config, list(ranks), steps=steps, processes=processes, private=private, tolerance=tolerance
    )


def load(folder: str | os.PathLike[str], checkpoint: str = "last") -> Model:
    """Returns the trained network of a run, to predict with in this process; imports no MPI.

    folder: of the run, finished or interrupted. checkpoint: "last" (the newest that is whole), "best" (the lowest
    validation loss), or the name or the step of one.
    Raises UserError for a folder that holds no run, a part that is not installed, a checkpoint that is damaged.
    """
    if not isinstance(folder, (str, os.PathLike)):
        raise ConfigError(f"expected the folder of a run, got {shown(folder)}")
    set_threads(threads_for("auto", 1))
    from dtrain.inference import load_model  # NumPy: after the threads are set

    return load_model(Path(folder), checkpoint)


def _in_ranks(config: Config, ranks: int, folder: Path | None, resume: bool, overwrite: bool) -> Result:
    from dtrain.trainer.run_folder import default_folder
    from dtrain.trainer.spawn import train_in_ranks

    wanted = {"--resume": resume, "--overwrite": overwrite}
    out = folder.absolute() if folder is not None else default_folder(config.name)
    return train_in_ranks(config, ranks, out, [option for option, given in wanted.items() if given])


def _check(ranks: object, alone: bool, resume: bool, overwrite: bool, out: object) -> None:
    if ranks is not None and (isinstance(ranks, bool) or not isinstance(ranks, int) or ranks < 1):
        raise ConfigError(f"ranks: expected a whole number ≥ 1, got {ranks!r}")
    if ranks is not None and alone:
        raise ConfigError("ranks, alone: expected one of them, got both")
    if resume and overwrite:
        raise ConfigError("resume, overwrite: expected one of them, got both")
    if resume and out is None:
        raise ConfigError("resume: expected out, the folder of the run to go on with, got none")


def _check_not_launched(here: Launched | None) -> None:
    if here is not None:
        raise ConfigError(
            f"ranks: expected none in a process that {here.launcher} started, which is rank {here.rank} of "
            f"{here.size} already; leave ranks out"
        )
