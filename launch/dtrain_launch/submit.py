"""What `--to` prints: a job for a scheduler, from the same options that would start it here."""

import re
import shlex
import sys
from pathlib import Path

from dtrain_launch.arguments import Options
from dtrain_launch.batch import WARNING_SECONDS, Request, lsf, pbs, slurm
from dtrain_launch.errors import LaunchError
from dtrain_launch.kubernetes import IMAGE, mpi_job
from dtrain_launch.run import read_training

_WRITERS = {"slurm": slurm, "pbs": pbs, "lsf": lsf}
RESTARTS = 3
DEFAULT_TIME = "1:00:00"


def job_text(options: Options, asked: tuple[str, ...], folder: Path) -> str:
    """The whole text of the job. asked: the words after `dtrain launch`."""
    if options.to == "kubernetes":
        _refuse("--time", options.time, "a job without a time limit, which is what Kubernetes has")
        return mpi_job(_request(options, asked, folder, ("dtrain",)), options.image or IMAGE)
    _refuse("--image", options.image, f"no image for {options.to}")
    assert options.to is not None
    return _WRITERS[options.to](_request(options, asked, folder, (sys.executable, "-P", "-m", "dtrain")))


def _request(options: Options, asked: tuple[str, ...], folder: Path, dtrain: tuple[str, ...]) -> Request:
    training = read_training(options.command)
    command, run, name = options.command, None, options.command[0]
    if training is not None:
        name = Path(training.config or "digits").stem
        run = training.out or f"runs/{name}"
        command = command if training.out else (*command, "--out", run)
    for word in (*asked, *command, str(folder)):
        if not word.isprintable():
            raise LaunchError(f"launch --to: expected words that can be printed in one line, got {word!r}")
    return Request(
        name=re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "dtrain",
        ranks=options.ranks,
        threads=options.threads or 1,
        seconds=_seconds(options.time or DEFAULT_TIME),
        folder=str(folder),
        launch=(*dtrain, "launch", *_inner(options), "--"),
        command=command,
        asked=("dtrain", "launch", *asked),
        run=run,
        per_host=options.per_host,
    )


def _inner(options: Options) -> list[str]:
    """The options that the launcher gets inside of the job; it runs with restarts unless there is no run."""
    words = ["-n", str(options.ranks)]
    for option, value in (
        ("--threads", options.threads),
        ("--mpirun", options.mpirun),
        ("--rsh-agent", options.agent),
    ):
        words += [option, str(value)] if value is not None else []
    words += [f"--mpi-args={shlex.join(options.mpi_args)}"] if options.mpi_args else []
    words += ["--recover"] if options.recover else []
    words += ["--logs"] if options.logs else []
    restarts = options.restarts or (RESTARTS if options.command[0] == "train" else 0)
    return words + (["--restarts", str(restarts)] if restarts else [])


def _seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", text, re.ASCII)
    hours, minutes, seconds = map(int, match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if total < 2 * WARNING_SECONDS:
        raise LaunchError(
            f"launch --time: expected hours:minutes:seconds, at least 0:02:00, got {text!r}; "
            f"for example: --time {DEFAULT_TIME}"
        )
    return total


def _refuse(option: str, value: str | None, expected: str) -> None:
    if value is not None:
        raise LaunchError(f"launch {option}: expected {expected}, got {value!r}; leave the option out")
