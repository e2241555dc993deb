"""One sentence: what to do, seen a plan's figures."""

from __future__ import annotations

from collections.abc import Sequence

from .outcome import Row, limit_of

MUCH = 0.3
"""A part of a step that is worth doing something about."""


def advice_of(rows: Sequence[Row], batch: int, exchange: str) -> str:
    """Returns the sentence. rows: the first is one rank. exchange: what the config has."""
    limit = limit_of(rows)
    best = next(row for row in rows if row.ranks == limit)
    beyond = next((row for row in rows if row.ranks > limit), None)
    take = f"take {limit:,} rank{'s' * (limit > 1)}, {best.samples_per_second:,.0f} samples/s"
    if beyond is None:
        return take
    return f"{take}; {_why(beyond, batch, exchange)}"


def _why(beyond: Row, batch: int, exchange: str) -> str:
    """Returns what is in the way of more ranks, and what would help."""
    if beyond.ranks > batch:
        return (
            f"a batch of {batch:,} leaves some of {beyond.ranks:,} ranks without a sample: raise batch_size"
        )
    if beyond.line >= MUCH and exchange == "exact":
        return (
            'the network is too slow for more: [train] exchange = "local_steps" sends parameters once in many '
            "steps, a larger batch_size sends as much for more samples"
        )
    if beyond.line >= MUCH:
        return "the network is too slow for more: a larger batch_size sends as much for more samples"
    if beyond.waiting >= MUCH:
        return (
            "more would wait for each other: a larger batch_size gives each more to do between two messages"
        )
    return "the work that every rank does, whatever its rows, does not get less: a larger batch_size makes more of it"
