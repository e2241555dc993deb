"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True)
class Finding:
    """One line: what was found, and what mends it.

    status: ok; warn, a job runs, but slower or otherwise than expected; fail, it does not run, or not rightly;
    skip, it could not be looked at. remedy: commands and settings, one a line.
    """

    status: Status
    text: str
    remedy: tuple[str, ...] = ()


def ok(text: str) -> Finding:
    return Finding("ok", text)


def warn(text: str, *remedy: str) -> Finding:
    return Finding("warn", text, remedy)


def fail(text: str, *remedy: str) -> Finding:
    return Finding("fail", text, remedy)


def skip(text: str) -> Finding:
    return Finding("skip", text)
