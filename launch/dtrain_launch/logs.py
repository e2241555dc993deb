"""The ranks' own files under `--logs`, and in them who failed first."""

import os
import re
from pathlib import Path

_FAILURE = re.compile(rb"^(?:dtrain: rank \d|Traceback \(most recent call last\))", re.MULTILINE)
_MOST_BYTES = 65536


class Logs:
    """The files `rank-*.log` of a folder; what was in them before does not count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before: dict[Path, int] = {}

    def begin(self) -> None:
        """Call it before each start of the job: the ranks add to their files."""
        self._before = {path: path.stat().st_size for path in self.folder.glob("rank-*.log")}

    def last_words(self, lines: int = 20) -> tuple[Path, list[str]] | None:
        """The file of the rank that failed first, and its end; None where no rank said why.

        Of those that tell of a failure, the one that has been silent for longest.
        """
        failed = []
        for path in self.folder.glob("rank-*.log"):
            text = self._new(path)
            if _FAILURE.search(text):
                failed.append((path.stat().st_mtime_ns, path, text))
        if not failed:
            return None
        _, path, text = min(failed)
        return path, text.decode(errors="replace").splitlines()[-lines:]

    def _new(self, path: Path) -> bytes:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(self._before.get(path, 0), size - _MOST_BYTES))
            return file.read()
