"""A thread in every process of a job that sees to it that nothing hangs.

Four times a second it shows on the host's board what its main thread does, reads what the others show, and
lets `verdict` judge. Where a rank is to blame, one rank writes one report, and the job ends (exit code 1), or
goes on without that rank where it can. The thread never takes part in a collective, so it works while all main
threads wait in MPI, and it costs the main thread nothing: that it is in a collective is read from its stack.
"""

from __future__ import annotations

import atexit
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

from dtrain.communicator.board import state_of
from dtrain.communicator.dump import FRAMES, Dump, ask_for_stack
from dtrain.communicator.leaving import tell_starter
from dtrain.communicator.telling import report, who
from dtrain.communicator.verdict import (
    PATIENCE,
    SILENT,
    TICK,
    Fate,
    Observer,
    Row,
    Seen,
    State,
    Verdict,
    judge,
)

if TYPE_CHECKING:
    from dtrain.communicator.board import Board
    from dtrain.communicator.door import Door
    from dtrain.communicator.place import Place
    from dtrain.communicator.post import Post

LIMIT = 6.0
"""Seconds: with the time to notice and to end the others, all is over within ten."""
VARIABLE = "DTRAIN_STOP_LIMIT"

DEBUGGERS = ("/pdb.py", "/bdb.py")
ROWS_A_TICK = 32
GREETING = 0.5  # seconds in which hosts that are there have heard of each other
TURN = 1.5  # seconds between hosts: by then the report of one has ended the job
LATER = 2 * TICK  # until the others have shown where they are


class Watchdog:
    """Watches over the main thread of one process, and reads what the others show, until `close`.

    at: this process's row on the board. home: the lowest row of its host. post: to other hosts, if there are
    any. number: its rank and the job's size, which change with a loss.
    collectives: the source file whose functions are the collectives. recovers: whether the job can go on
    without a rank. end: ends the job; called from this thread.
    """

    def __init__(
        self, board: Board, at: int, number: Callable[[], tuple[int, int]], door: Door, collectives: str,
        recovers: bool, end: Callable[[], None], home: int = 0, post: Post | None = None,
    ) -> None:  # fmt: skip
        self._board, self._at, self._number, self._door = board, at, number, door
        self._home, self._post = home, post
        self._collectives, self._recovers, self._end = collectives, recovers, end
        self._limit = limit_of(None)
        self._place: Callable[[], Place | None] = _no_place
        self._main = threading.get_ident()
        self._host, self._process = platform.node(), os.getpid()
        self._observer = Observer()
        self._before: tuple[object, ...] = ()
        self._since, self._stood = 0, 0.0
        self._beats: dict[int, int] = {}
        self._told: set[tuple[int, int]] = set()
        self._over = threading.Event()
        self._dump = Dump()
        self._thread = threading.Thread(target=self._run, name="dtrain watchdog", daemon=True)
        self._board.write(at, self._row())
        self._greet()
        atexit.register(self.close)
        self._thread.start()

    def watch_over(self, place: Callable[[], Place], limit: float) -> None:
        """Learns where the main thread is in its work, and the config's limit."""
        self._place, self._limit = place, limit_of(limit)

    def hush(self) -> None:
        """Leaves the report to others: the job is being ended."""
        self._board.hush()

    def close(self) -> None:
        """Nobody has to wait for this rank any more."""
        atexit.unregister(self.close)
        self._over.set()
        self._dump.close()
        if os.getpid() == self._process:
            self._thread.join(4 * TICK)
            rank, size = self._number()
            row = Row(rank, size, self._host, self._process, self._home, left=True)
            beat = self._board.write(self._at, row)
            if self._post is not None:
                self._post.send(self._at, beat, row)
                self._post.close()

    # ------------------------------------------------------------------ what it shows

    def _greet(self) -> None:
        """Lets the hosts hear of each other before work begins: one that is lost at once is missed then, too.

        Where a firewall stops datagrams, it gives up.
        """
        until = time.monotonic() + GREETING
        while self._post is not None and time.monotonic() < until:
            self._show(0)
            if all(self._board.read(at) is not None for at in range(self._board.size)):
                return
            time.sleep(GREETING / 10)

    def _run(self) -> None:
        every, tick, last = 1 + self._board.size // ROWS_A_TICK, 0, time.monotonic()
        while not self._over.wait(TICK):
            self._show(tick)
            tick += 1
            if tick % every == 0:
                now = time.monotonic()
                self._look(min(now - last, 2 * every * TICK))
                last = now

    def _show(self, tick: int) -> None:
        row = self._row()
        beat = self._board.write(self._at, row)
        if self._post is not None:
            if tick % 2 == 0:
                self._post.send(self._at, beat, row)
            for at, beat, row in self._post.receive():
                if row.home != self._home and 0 <= at < self._board.size:
                    self._board.write(at, row, beat)

    def _row(self) -> Row:
        rank, size = self._number()
        sequence, call, kind = self._call()
        frame = sys._current_frames().get(self._main)
        files = [at.f_code.co_filename for at, _ in traceback.walk_stack(frame)] if frame else []
        inside = self._collectives in files
        row = Row(
            rank, size, self._host, self._process, self._home, sequence, call, kind, inside, self._place(),
            dump=self._dump.descriptor,
        )  # fmt: skip
        self._since = self._since + 1 if row.progress == self._before else 0
        self._before = row.progress
        if self._since < 3:
            return row
        debugged = any(file.endswith(DEBUGGERS) for file in files)
        return replace(row, debugged=debugged, stack=self._stack(frame))

    def _call(self) -> tuple[int, str, str]:
        """The number, the words and the kind of the last collective; the main thread may enter another meanwhile."""
        sequence = self._door.sequence
        with suppress(Exception):
            call = self._door.call()
            if self._door.sequence == sequence:
                kind = "" if call.name == "exchange" else f"{call.name} {call.shape} {call.dtype}"
                return sequence, str(call), kind or call.name
        return sequence, f"collective #{sequence}", ""

    def _stack(self, frame: FrameType | None) -> str:
        """The innermost frames of the main thread, without those of the collective itself."""
        while frame is not None and frame.f_code.co_filename == self._collectives:
            frame = frame.f_back
        stack = traceback.extract_stack(frame, FRAMES) if frame else traceback.StackSummary()
        return "".join(stack.format()).rstrip()

    # ------------------------------------------------------------------ what it sees, and does

    def _look(self, seconds: float) -> None:
        seen = self._observer.look(self._read(), seconds)
        verdict = judge(seen, self._limit, self._observer.usual)
        if verdict is None:
            self._stood = 0.0
            return
        self._stood += seconds
        if not verdict.final:
            self._tell(verdict, seen)
        elif self._stood >= TURN * self._turn(verdict, seen) and self._board.claim(self._at):
            self._act(verdict, seen)

    def _turn(self, verdict: Verdict, seen: list[Seen]) -> int:
        """How many hosts speak before this one, if they can: first those of the ranks to blame."""
        if any(one.row.home == self._home for one in verdict.ranks):
            return 0
        return len({one.row.home for one in seen if one.silent < SILENT and one.row.home < self._home})

    def _read(self) -> list[tuple[int, int, Row, State]]:
        found = []
        for at in range(self._board.size):
            read = None if self._board.killed(at) else self._board.read(at)
            if read is None:
                continue
            beat, row = read
            state = State.UNKNOWN
            if row.home == self._home:
                state = state_of(row.pid, closer=beat == self._beats.get(at))
            self._beats[at] = beat
            if not (state is State.GONE and self._recovers):
                found.append((at, beat, row, state))
        return found

    def _tell(self, verdict: Verdict, seen: list[Seen]) -> None:
        """Says once for whom the others wait, without ending the job."""
        key = verdict.ranks[0].row.rank, max(one.row.sequence for one in seen)
        if key in self._told:
            return
        self._told.add(key)
        if self._turn(verdict, seen) or not self._board.claim(self._at):
            return
        if verdict.fate is Fate.DEADLOCK:
            _write(f"dtrain: all ranks wait in {seen[0].row.call}, for {seen[0].still:.0f} s so far")
        else:
            late = verdict.ranks[0]
            _write(
                f"dtrain: the others have waited for {who(late)} for {late.quiet:.0f} s; after "
                f"{PATIENCE * self._limit:.0f} s the job is ended"
            )
        self._over.wait(2 * TICK)
        self._board.free(self._at)

    def _act(self, verdict: Verdict, seen: list[Seen]) -> None:
        goes_on = self._recovers and verdict.recoverable
        ranks = tuple(self._with_stack(one) for one in verdict.ranks)
        text = report(replace(verdict, ranks=ranks), seen, goes_on)
        _write(text)
        if goes_on:
            self._kill([one.row.pid for one in verdict.ranks])
            self._over.wait(2 * TICK)
            self._board.free(self._at)
            return
        tell_starter("RunError", text.partition("\n")[0].removeprefix("dtrain: "))
        time.sleep(LATER)  # or what the launcher says of the end would come first
        self._end()

    def _with_stack(self, one: Seen) -> Seen:
        """A silent rank that runs cannot show its stack: it is asked for it."""
        if one.silent < SILENT or one.state is not State.RUNS:
            return one
        return replace(
            one, row=replace(one.row, stack=ask_for_stack(one.row.pid, one.row.dump) or one.row.stack)
        )

    def everywhere(self) -> str:
        """Returns in which collectives the ranks are: for a main thread whose own has failed."""
        time.sleep(LATER)
        rows = [row for _, _, row, _ in self._read() if not row.left]
        return "; ".join(f"rank {row.rank} in {row.call}" for row in rows)

    def _kill(self, pids: list[int]) -> None:
        for at in range(self._board.size):
            read = self._board.read(at)
            if read is not None and read[1].pid in pids:
                self._board.kill(at)
                with suppress(OSError):
                    os.kill(read[1].pid, signal.SIGKILL)


def limit_of(configured: float | None, environ: Mapping[str, str] = os.environ) -> float:
    """Returns the limit in seconds: the environment's, else the config's, else the default; 0: none."""
    try:
        return max(float(environ[VARIABLE]), 0.0)
    except (KeyError, ValueError):
        return LIMIT if configured is None else configured


def _no_place() -> Place | None:
    return None


def _write(text: str) -> None:
    with suppress(OSError):  # nobody there to read it
        os.write(2, f"{text}\n".encode(errors="replace"))
