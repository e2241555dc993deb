"""What a part is written like: where this fails, all other checks would fail for the same reason."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from .exercise import exercise
from .failure import Failure
from .returns import check_returns
from .signatures import check_signatures
from .words import in_words

if TYPE_CHECKING:
    from .subject import Subject

LIMIT = 30.0
"""Seconds after which a part blocks. A dataset may read for as long as it likes."""


def check_contract(subject: Subject) -> None:
    """Methods have the names and arguments of the contract, return what it says, and come to an end."""
    try:
        with _limited(subject):
            check_signatures(subject)
            check_returns(subject)
            exercise(subject)
    except Failure:
        raise
    except Exception as error:
        found = in_words(error, subject)
        if found is None:
            raise
        raise found from error


@contextmanager
def _limited(subject: Subject) -> Iterator[None]:
    """Makes a part that blocks fail, where signals can do so: in the main thread."""
    if (
        subject.kind == "datasets"
        or not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
        or signal.getitimer(signal.ITIMER_REAL)[0]  # in use by other code
    ):
        yield
        return
    before = signal.signal(signal.SIGALRM, _blocked)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _blocked(_: int, frame: FrameType | None) -> None:
    where = (
        ""
        if frame is None
        else f", in {frame.f_code.co_name} ({frame.f_code.co_filename}, line {frame.f_lineno})"
    )
    raise Failure(
        f"the part did not return within {LIMIT:g} s{where}: every rank calls it and waits for it; "
        "read no input, wait for no other process, bound every loop"
    )
