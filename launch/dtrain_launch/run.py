"""The run of a train command: where its folder is, whether it has ended, and the command that goes on with it.

What mpirun says is not enough: Open MPI ends with 0 when a host was lost, MPICH when a rank left early with 0.
The run says it itself: summary.json is written last.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

Stamp = tuple[int, int] | None


class Run:
    """A run folder as it was before the first start, and the command that trains into it.

    started, finished: of this job; what an earlier one left in the folder does not count.
    """

    def __init__(self, command: tuple[str, ...], folder: Path) -> None:
        self.command, self.folder = command, folder
        self._goes_on = "--resume" in command
        self._config, self._summary = _stamp(folder / "config.toml"), _stamp(folder / "summary.json")

    @property
    def started(self) -> bool:
        """Whether there is something to go on with: the run has made its folder."""
        return self._goes_on or _stamp(self.folder / "config.toml") not in (None, self._config)

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return _stamp(self.folder / "summary.json") not in (None, self._summary)

    @property
    def checkpoint(self) -> Path | None:
        """The newest checkpoint by name; whether it is whole, the trainer finds out."""
        return max(self.folder.glob("checkpoints/step-*.safetensors"), default=None)

    def again(self) -> tuple[str, ...]:
        """The command that goes on; the same as before where nothing was begun."""
        if not self.started or self._goes_on:
            return self.command
        return (*(word for word in self.command if word != "--overwrite"), "--resume")


@contextlib.contextmanager
def run_of(command: tuple[str, ...], *, hold: bool = True) -> Iterator[Run | None]:
    """The run of a command; None where it trains nothing, or where `dtrain train` will refuse it.

    A command that names no folder gets one, as the trainer would choose it, so that it is known. hold: make it,
    so that no other job takes it; what is empty at the end is removed.
    """
    given = read_training(command)
    if given is None or (given.resume and given.out is None):
        yield None
        return
    if given.out is not None:
        yield Run(command, Path(given.out))
        return
    folder = _free_folder(Path(given.config or "digits").stem, hold)
    try:
        yield Run((*command, "--out", str(folder)), folder)
    finally:
        if hold:
            with contextlib.suppress(OSError):  # the run is in it, or others beside it
                folder.rmdir()
                folder.parent.rmdir()


def _free_folder(name: str, hold: bool) -> Path:
    """`runs/<name>-<time>`, or with a number behind it."""
    stem, n = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}", 1
    folder = stem
    while not _take(folder, hold):
        n += 1
        folder = stem.with_name(f"{stem.name}-{n}")
    return folder


def _take(folder: Path, hold: bool) -> bool:
    if not hold:
        return not folder.exists()
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return not folder.parent.is_dir()
    except OSError:  # the trainer says it better
        pass
    return True


class _Silent(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read_training(command: Sequence[str]) -> argparse.Namespace | None:
    """What of `dtrain train`'s arguments matters here; None for those that it will refuse, and for --help."""
    if command[:1] != ("train",):
        return None
    parser = _Silent(add_help=False, allow_abbrev=False)
    parser.add_argument("config", nargs="?")
    parser.add_argument("--set", action="append")
    parser.add_argument("--out")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    try:
        given, unknown = parser.parse_known_args(command[1:])
    except ValueError:
        return None
    return None if unknown else given


def _stamp(path: Path) -> Stamp:
    """What changes when a file is written anew; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_mtime_ns
