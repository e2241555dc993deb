"""Writes checkpoints in a thread, one after the other, while training goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Writer:
    """At work on one thing at a time; what went wrong with it, `wait` raises."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def failed(self) -> bool:
        """Whether `wait` would raise, as of now."""
        return self._error is not None

    def start(self, work: Callable[[], None]) -> None:
        """Does the work in the background; `wait` has returned since the last one was started."""
        # A daemon: a run that is ended by force does not wait. A good end does, by `wait`.
        self._thread = threading.Thread(target=self._do, args=(work,), name="checkpoint", daemon=True)
        self._thread.start()

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = error

    def join(self) -> None:
        """Returns when the work is done, well or not."""
        if self._thread is not None:
            self._thread.join()

    def wait(self) -> None:
        """Returns when the work is done; raises, once, what it raised."""
        self.join()
        error, self._error = self._error, None
        if error is not None:
            raise error
