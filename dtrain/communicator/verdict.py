"""When a job gets no further: who is to blame, from what its ranks show of themselves. Pure functions.

A rank is *inside* while its main thread is in a collective, *silent* while its watchdog does not beat.
To wait is no fault as long as some rank is at work. Which waits end the job, with `limit` seconds:

gone      the process of a rank does not exist any more                                   at once
mismatch  ranks are in the collective of one number, and it is not the same collective    after 1 s
stopped   the process of a rank is stopped (SIGSTOP) while others wait                    after the limit
stuck     all but these ranks wait, and these show no progress: no other collective, layer
          or step. A silent one is in C code that holds Python's lock, or its host is gone after the limit
deadlock  all ranks wait, each in a collective of its own or all in one                   after 30 limits

The limit of "stuck" is at least four times the longest wait that ended well, so that a job whose ranks are
unlike learns what is usual there. A rank that says it is busy with what may take long on one rank alone
(loading data, writing a checkpoint, a callback at the end of an epoch) is given 30 limits, or 4 where it is on
another host from which nothing is heard; after the first, the screen tells whom the others wait for. A rank in a
debugger is waited for without end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum

from dtrain.communicator.place import Place

TICK = 0.25  # seconds between two beats of a watchdog
SILENT = 6 * TICK
AT_ONCE = 1.0  # seconds that ranks in different collectives have to stand still
PATIENCE, USUAL = 30, 4
UNSEEN = (
    4  # limits for a busy rank on another host from which nothing is heard: it, or the way to it, may be gone
)
ELSEWHERE = 1.25  # limits for a rank on another host, whose neighbours know better


class State(Enum):
    """What the system says of a process. TRACED: by a debugger. UNKNOWN: it is on another host."""

    RUNS = "runs"
    STOPPED = "stopped"
    TRACED = "traced"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Row:
    """What a rank shows of itself.

    home: the lowest rank of its host, as they were at the start. call: its last collective in words. kind:
    what must be the same on all ranks in the collective of one number. place: None until the run has begun.
    debugged: pdb is at work. left: it is done, and nobody has to wait for it. stack: of its main thread, once
    that stands still.
    """

    rank: int
    size: int
    host: str
    pid: int
    home: int
    sequence: int = 0
    call: str = ""
    kind: str = ""
    inside: bool = False
    place: Place | None = None
    debugged: bool = False
    left: bool = False
    stack: str = ""
    dump: int = -1
    """The descriptor of the file to which its process writes its stack when asked; −1: none."""

    @property
    def progress(self) -> tuple[object, ...]:
        """What changes when the rank gets on."""
        return self.size, self.sequence, self.inside, self.place, self.debugged, self.left

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Row:
        """Raises ValueError for what is no row."""
        try:
            words = json.loads(text)
            place = words.pop("place")
            return cls(place=None if place is None else Place(*place), **words)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"expected a row, got {text!r}") from error


@dataclass(frozen=True)
class Seen:
    """A row, and for how many seconds it has not beaten (silent) or not changed (still)."""

    row: Row
    silent: float = 0.0
    still: float = 0.0
    state: State = State.RUNS

    @property
    def quiet(self) -> float:
        """For how long nothing speaks for this rank's getting on."""
        return self.silent if self.silent >= SILENT else self.still

    @property
    def waits(self) -> bool:
        """Whether its main thread is in a collective; of a silent rank nobody knows."""
        return self.row.inside and self.silent < SILENT

    @property
    def patience(self) -> float:
        """How many limits it is given."""
        if self.row.debugged or self.state is State.TRACED:
            return float("inf")
        if self.row.place is None or self.row.place.busy:
            return PATIENCE
        return ELSEWHERE if self.state is State.UNKNOWN else 1


class Fate(Enum):
    GONE = "gone"
    MISMATCH = "mismatch"
    STOPPED = "stopped"
    STUCK = "stuck"
    DEADLOCK = "deadlock"


@dataclass(frozen=True)
class Verdict:
    """ranks: those to blame. final: the job ends; otherwise the screen tells of it."""

    fate: Fate
    ranks: tuple[Seen, ...]
    final: bool = True

    @property
    def recoverable(self) -> bool:
        """Whether the job may go on without these ranks. One that runs would get stuck on another rank as well."""
        return self.fate is Fate.STOPPED


def judge(ranks: Sequence[Seen], limit: float, usual: float = 0.0) -> Verdict | None:
    """Returns what is wrong with a job, or None.

    limit: seconds; 0: nothing ever is. usual: the longest wait that ended well.
    """
    live = [one for one in ranks if not one.row.left]
    gone = tuple(one for one in live if one.state is State.GONE)
    waiting = [one for one in live if one.waits]
    wait = max((one.still for one in waiting), default=0.0)
    if not limit:
        return None
    if gone:
        return Verdict(Fate.GONE, gone)
    if mismatched(waiting):
        return Verdict(Fate.MISMATCH, tuple(waiting))
    stopped = tuple(one for one in live if one.state is State.STOPPED and one.silent >= limit)
    if stopped and wait >= SILENT:
        return Verdict(Fate.STOPPED, stopped)
    return _stuck(live, wait, limit, usual)


def mismatched(waiting: Sequence[Seen]) -> bool:
    """Tells whether ranks stand in different collectives of one number."""
    kinds: dict[int, set[str]] = {}
    for one in waiting:
        if one.still >= AT_ONCE and one.row.kind:
            kinds.setdefault(one.row.sequence, set()).add(one.row.kind)
    return any(len(found) > 1 for found in kinds.values())


def _stuck(live: Sequence[Seen], wait: float, limit: float, usual: float) -> Verdict | None:
    limit = max(limit, USUAL * usual)
    idle = tuple(one for one in live if not one.waits)
    if not idle:
        wait = min((one.still for one in live), default=0.0)
        known = len(live) >= max((one.row.size for one in live), default=0)
        return (
            Verdict(Fate.DEADLOCK, tuple(live), known and wait >= PATIENCE * limit) if wait >= limit else None
        )
    if wait < limit or any(one.quiet < limit for one in idle):
        return None
    waiting = [one for one in live if one.waits]
    given = [(one, _given(one, waiting)) for one in idle]
    if all(min(one.quiet, wait) >= limit * limits for one, limits in given):
        return Verdict(Fate.STUCK, idle)
    busy = tuple(one for one, limits in given if limits == PATIENCE)
    return Verdict(Fate.STUCK, busy, final=False) if busy else None


def _given(one: Seen, waiting: Sequence[Seen]) -> float:
    """A rank's limits. What it showed before it fell silent may be over, as the others' collectives tell."""
    if one.silent < SILENT or one.patience != PATIENCE:
        return one.patience
    given: float = PATIENCE
    if one.row.sequence < max(other.row.sequence for other in waiting) - 1:
        given = max(1 if other.row.place and not other.row.place.busy else PATIENCE for other in waiting)
    return min(given, UNSEEN) if one.state is State.UNKNOWN else given


@dataclass
class Observer:
    """Turns what is read at each tick into how long each rank has been silent and still.

    Its own clock adds up the ticks: time during which this process did not run counts for nobody.
    usual: the longest wait that ended well.
    """

    usual: float = 0.0
    _last: dict[int, tuple[int, Seen]] = field(default_factory=dict)

    def look(self, read: Sequence[tuple[int, int, Row, State]], seconds: float) -> list[Seen]:
        """read: (place on the board, beat, row, state) of every rank that has been heard of."""
        seen = {at: self._one(at, beat, row, state, seconds) for at, beat, row, state in read}
        before = self._last
        calm = not any(one.patience >= PATIENCE or one.silent >= SILENT for _, one in before.values())
        for at, (_, one) in before.items():
            if calm and one.waits and at in seen and seen[at].row.sequence > one.row.sequence:
                self.usual = max(self.usual, one.still)
        self._last = {at: (beat, seen[at]) for at, beat, _, _ in read}
        return list(seen.values())

    def _one(self, at: int, beat: int, row: Row, state: State, seconds: float) -> Seen:
        if at not in self._last:
            return Seen(row, state=state)
        beat_before, before = self._last[at]
        silent = before.silent + seconds if beat == beat_before else 0.0
        still = before.still + seconds if row.progress == before.row.progress else 0.0
        return Seen(row, silent, still, state)
