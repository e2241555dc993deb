"""Layers that would normalize by the statistics of one value: their output would not depend on their input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from dtrain.contracts import StatisticsOver, ValueExchange
from dtrain.engine import rank_ranges, shard_bounds
from dtrain.errors import ConfigError

if TYPE_CHECKING:
    from .job import Job

Level = Literal["batch", "micro-batch", "rank", "group"]
"""What statistics across a batch are taken over, from the widest to the narrowest."""


class Blame(NamedTuple):
    """The key to change where a piece of a batch has one row, how a message calls the place, and the way out."""

    key: str
    place: str
    remedy: str


BLAME: dict[Level, Blame] = {
    "batch": Blame("[train] batch_size", "in {} batch", "raise batch_size"),
    "micro-batch": Blame("[train] accumulate", "in {} micro-batch", "lower accumulate, or raise batch_size"),
    "rank": Blame("[train] batch_size", "on {} rank", "raise batch_size, or start fewer ranks"),
    "group": Blame("[[network]] group", "in {} group of shards", "raise group, or batch_size"),
}


class Cuts:
    """How a run cuts a batch into the pieces that statistics are taken over.

    parts: micro-batches. ranks: each has statistics of its own rows if `alone`, else of all rows.
    """

    def __init__(self, parts: int, shards: int, ranks: int, alone: bool) -> None:
        self.parts, self.shards = parts, shards
        self.ranges = rank_ranges(shards, ranks) if alone else [(0, shards)]

    def level_of_one_row(self, rows: int, group: int | None) -> Level | None:
        """Returns the widest level at which a batch of `rows` rows has a piece of one row; None if it has none."""
        if rows == 1:
            return "batch"
        sizes = {rows // self.parts, -(-rows // self.parts)}  # micro-batches differ by at most one row
        if 1 in sizes:
            return "micro-batch"
        bounds = [shard_bounds(size, self.shards) for size in sizes]
        if any(at[b] - at[a] == 1 for at in bounds for a, b in self.ranges):
            return "rank"
        if group is not None:
            pieces = [(i, min(i + group, b)) for a, b in self.ranges for i in range(a, b, group)]
            if any(at[b] - at[a] == 1 for at in bounds for a, b in pieces):
                return "group"
        return None


def check_statistics(job: Job, ranks: int) -> None:
    """Raises ConfigError for a layer whose statistics are of one value in each full batch, or of one sample."""
    cuts, samples = _cuts(job, ranks), len(job.train)
    rows = min(job.config.train.batch_size, samples)
    for name, over in _declared(job):
        if over.across == "sample" or over.per_sample > 1:
            continue
        if samples == 1:
            raise ConfigError(
                f"{job.config.data.where}: expected at least 2 training samples for layer {name!r}, got 1: "
                f"{_effect(over)}; add samples"
            )
        if over.across == "batch" and (level := cuts.level_of_one_row(rows, over.group)) is not None:
            blame = BLAME[level]
            raise ConfigError(
                f"{blame.key}: expected at least 2 rows {blame.place.format('every')} for layer {name!r}, got 1: "
                f"{_effect(over)}; {blame.remedy}"
            )


def statistics_warnings(job: Job, ranks: int) -> Iterator[str]:
    """Yields a line for each layer whose statistics across a sample are of one value, and one on the last batch.

    The last batch of an epoch may be shorter than those that `check_statistics` looks at.
    """
    cuts, samples = _cuts(job, ranks), len(job.train)
    rows = samples % job.config.train.batch_size
    short: dict[tuple[Level, str], list[str]] = {}
    for name, over in _declared(job):
        if over.per_sample > 1:
            continue
        if over.across == "sample":
            yield f"layer {name!r}: {_effect(over)}; remove it"
        if over.across == "batch" and (level := cuts.level_of_one_row(rows, over.group)) is not None:
            short.setdefault((level, _effect(over)), []).append(name)
    for (level, effect), (first, *more) in short.items():
        who = f"layer {first!r}" + (f" and {len(more)} more" if more else "")
        place = "" if level == "batch" else f", with 1 row {BLAME[level].place.format('a')}"
        yield (
            f"{who}: the last batch of an epoch has {rows} of the {samples} samples{place}: {effect}; "
            "choose another batch_size"
        )


def _declared(job: Job) -> Iterator[tuple[str, StatisticsOver]]:
    for name, layer in job.network.layers.items():
        if layer.statistics_over is not None:
            yield name, layer.statistics_over


def _cuts(job: Job, ranks: int) -> Cuts:
    return Cuts(job.config.train.accumulate, job.shards, ranks, isinstance(job.exchange, ValueExchange))


def _effect(over: StatisticsOver) -> str:
    if over.centred:
        return "normalized by the statistics of one value, the output does not depend on the input"
    return "normalized by the mean square of one value, the output is the sign of the input"
