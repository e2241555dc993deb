"""What fuzzing needs: a command that is watched, and how it may end.

DTRAIN_FUZZ=2000 pytest tests/fuzz tries that many examples of each kind, other ones at each call; without it the suite
tries a few, always the same.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings

LONG = "DTRAIN_FUZZ" in os.environ
SECONDS = 60 if LONG else 30
"""After which an example counts as one that hangs, on a busy machine."""
MEMORY = 3 * 2**30
"""Bytes of address space that an example may take beyond what the tests have."""

NOT_FINITE = re.compile(
    r"dtrain: (step|epoch) \d+ .*expected a finite loss and gradient|dtrain: epoch \d+: expected a finite"
)


def examples(few: int) -> settings:
    """Returns the settings of a fuzzing test; `few`: how many examples the suite tries."""
    return settings(
        max_examples=int(os.environ.get("DTRAIN_FUZZ", few)),
        deadline=None,
        derandomize=not LONG,
        database=None,
        phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
        suppress_health_check=[*HealthCheck],
        print_blob=False,
    )


def some(cases: Sequence[Any]) -> Sequence[Any]:
    """Returns every fourth case, or all of them in a long run."""
    return cases if LONG else cases[::4]


class Hangs(BaseException):
    """An example took too long; its traceback says where it was."""


@contextmanager
def bounded() -> Iterator[None]:
    """Ends what takes too long, and refuses memory to what asks for too much."""

    def ring(number: int, frame: Any) -> None:
        raise Hangs

    before, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, ring)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def try_out(dtrain: Callable[..., Any], *arguments: str) -> str:
    """Runs a command on --out out, and returns how it ended: "ran", "refused", "not finite" or "no memory"."""
    shutil.rmtree("out", ignore_errors=True)
    with bounded():
        ended = dtrain(*arguments, "--out", "out")
    assert "Traceback" not in ended.err, ended.err
    return verdict(ended.code, ended.err)


def verdict(code: int, text: str) -> str:
    """Returns how a run ended; fails where it is none of the ways in which a run may end."""
    lines = [
        line for line in text.splitlines() if line.startswith("dtrain: ") and "dtrain: warning: " not in line
    ]
    if code == 0:
        assert text.splitlines()[-1].startswith("run in "), text
        assert not lines, text
        return "ran"
    assert len(lines) == 1, text
    assert text.splitlines()[-1] == lines[0], text
    assert not Path("out/config.toml").exists() or code == 1, text
    if code == 2:
        assert not Path("out").exists(), text
        return "refused"
    assert code == 1, text
    if NOT_FINITE.match(lines[0]):
        return "not finite"
    assert "not enough memory" in lines[0], text
    return "no memory"
