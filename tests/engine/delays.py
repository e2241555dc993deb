"""A communicator under which what was begun is done later, by chance; and one that forgets tags, too."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

MOST = 6  # how often what is done says that it is not


class Late:
    """Says `done` some times too late."""

    def __init__(self, inner: Any, times: int) -> None:
        self.inner, self._times = inner, times

    def done(self) -> bool:
        if self._times:
            self._times -= 1
            return False
        return self.inner.done()


class Delays:
    """Passes everything on, what is begun after a pause of its own and with an end of its own."""

    def __init__(self, inner: Any, seed: int = 0) -> None:
        self._inner = inner
        self._random = np.random.default_rng((seed, inner.rank))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def begin(self, sends: Any, receives: Any, tag: int) -> Late:
        time.sleep(1e-4 * self._random.integers(0, 5))
        return Late(self._inner.begin(sends, receives, tag), self._random.integers(0, MOST))

    def wait(self, pendings: Any) -> None:
        while not any(pending.done() for pending in pendings):
            self._inner.wait([pending.inner for pending in pendings])


class Untold(Delays):
    """All messages have one tag."""

    def begin(self, sends: Any, receives: Any, tag: int) -> Late:
        return super().begin(sends, receives, 0)
