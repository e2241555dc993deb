"""A job of several ranks, started from this process: what `dtrain.train(…, ranks=N)` does."""

from __future__ import annotations

import codecs
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dtrain.config import Config, dump
from dtrain.errors import DtrainError, RunError
from dtrain.threads import environment_of_user

from .agreement import error_named
from .result import Result

INTERRUPTED = (130, 143)


def train_in_ranks(config: Config, ranks: int, out: Path, options: Sequence[str]) -> Result:
    """Trains on `ranks` processes of this machine and returns what their run folder holds.

    options: further arguments of `dtrain train`. What the job writes appears on this process's stderr.
    Raises the error that ended the job.
    """
    with tempfile.TemporaryDirectory(prefix="dtrain-") as folder:
        asked, report = Path(folder) / "config.toml", Path(folder) / "error.json"
        asked.write_text(dump(config), encoding="utf-8")
        train = ["train", str(asked), "--out", str(out), *options]
        code = run_dtrain(["launch", "-n", str(ranks), "--", *train], report)
        if code and code not in INTERRUPTED:
            raise error_of(code, report, asked, config.source)
    return Result(out, None if code else json.loads((out / "summary.json").read_text("utf-8")), code)


def run_dtrain(
    arguments: Sequence[str], report: Path, variables: Mapping[str, str] | None = None,
    take: Callable[[str], object] | None = None,
) -> int:  # fmt: skip
    """Returns the exit code of a `dtrain` command. Ctrl-C here makes it save and leave, as does this process's end.

    report: gets the error that ends it. variables: of the environment, besides this process's. take: is given what
    it writes, as it comes; None: that appears on stderr.
    """
    told = {"DTRAIN_REPORT": str(report), "DTRAIN_STARTER": str(os.getpid())}
    environment = {**environment_of_user(), **told, **(variables or {})}
    if sys.stderr is not None and sys.stderr.isatty():
        environment.setdefault("DTRAIN_PROGRESS", "bar")
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "dtrain", *arguments],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    assert child.stdout is not None
    with child, child.stdout, _interruptible():
        while True:
            try:
                _read(child.stdout, take) if take else _pass_on(child.stdout)
                return child.wait()
            except KeyboardInterrupt:
                child.send_signal(signal.SIGINT)
            except BaseException:
                child.kill()
                raise


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt at once: an event loop would only note it, and see to it when we are done."""
    before = signal.getsignal(signal.SIGINT)
    mine = threading.current_thread() is threading.main_thread() and callable(before)
    if mine:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGINT, before)


def _pass_on(stream: IO[bytes]) -> None:
    """Writes to stderr, of a terminal or a notebook, as it comes."""
    _read(stream, _show)


def _read(stream: IO[bytes], take: Callable[[str], object]) -> None:
    text = codecs.getincrementaldecoder("utf-8")(errors="replace")
    while chunk := os.read(stream.fileno(), 65536):
        take(text.decode(chunk))


def _show(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def error_of(code: int, report: Path, asked: Path, source: str) -> DtrainError:
    """Returns the error that the job reported; messages call the config as the caller does."""
    try:
        name, message = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return RunError(f"the job ended with exit code {code}; what it said is above")
    message = message.replace(f"{asked}: ", f"{source}: " if source else "")
    error = error_named(name, message)
    return error if code == 2 or isinstance(error, RunError) else RunError(message)
