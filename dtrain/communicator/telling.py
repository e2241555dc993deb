"""The report of a job that gets no further: one text, what happened and where before all else."""

from __future__ import annotations

from collections.abc import Sequence

from dtrain.communicator.verdict import SILENT, Fate, Seen, State, Verdict

SETTING = "[train] stop_limit, or DTRAIN_STOP_LIMIT: seconds; 0: never"


def report(verdict: Verdict, ranks: Sequence[Seen], goes_on: bool = False) -> str:
    """Returns the report. goes_on: the ranks to blame are killed, and the others go on without them."""
    if verdict.fate is Fate.MISMATCH:
        return "\n".join(
            ["dtrain: ranks wait in different collectives; ending the job", *_differing(verdict.ranks)]
        )
    if verdict.fate is Fate.DEADLOCK:
        return "\n".join(
            [f"dtrain: all ranks wait in collectives that do not end{_after(verdict)}", *_differing(ranks)]
        )
    blamed = [one.row.rank for one in verdict.ranks]
    lines = [f"dtrain: {who(one)} {_what(verdict.fate, one)}" for one in verdict.ranks]
    lines[0] += "; it is killed, and the others go on" if goes_on else _after(verdict)
    for one in verdict.ranks:
        lines += _stack(one)
    lines += [f"  {_doing(one)}" for one in ranks if one.row.rank not in blamed]
    return "\n".join(lines)


def who(one: Seen) -> str:
    """Returns `rank 1 of 3 on node7 (pid 4711, epoch 1, step 3, layer 'dense_1')`."""
    row = one.row
    seen = "last seen: " if one.silent >= SILENT or one.state is State.GONE else ""
    return f"rank {row.rank} of {row.size} on {row.host} (pid {row.pid}, {seen}{_place(one)})"


def _place(one: Seen) -> str:
    return "before the first step" if one.row.place is None else str(one.row.place)


def _after(verdict: Verdict) -> str:
    if verdict.fate is Fate.GONE:
        return "; ending the job"
    return f"; ending the job ({SETTING})"


def _what(fate: Fate, one: Seen) -> str:
    if fate is Fate.GONE:
        return "is gone: its process was killed, or ended without a word"
    if fate is Fate.STOPPED:
        return f"is stopped (SIGSTOP), for {one.silent:.0f} s"
    if one.silent < SILENT:
        return f"has not got on for {one.still:.0f} s while the others wait"
    if one.state is State.UNKNOWN:
        return (
            f"has not been heard of for {one.silent:.0f} s: its process is stopped, or its host out of reach"
        )
    return (
        f"has not got on for {one.silent:.0f} s: it is in C code that holds Python's lock, or its memory is "
        "swapped out"
    )


def _doing(one: Seen) -> str:
    doing = f"waits in {one.row.call}" if one.row.inside else "is at work"
    return f"rank {one.row.rank} {doing} ({_place(one)})"


def _differing(ranks: Sequence[Seen]) -> list[str]:
    """Every rank's collective, and the stack of the first in each."""
    lines, shown = [], set()
    for one in ranks:
        lines.append(f"  {who(one)} waits in {one.row.call}")
        if one.row.kind not in shown:
            lines += _stack(one)
        shown.add(one.row.kind)
    return lines


def _stack(one: Seen) -> list[str]:
    if not one.row.stack:
        return []
    return [f"  where rank {one.row.rank} is (most recent call last):", *one.row.stack.splitlines()]
