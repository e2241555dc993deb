"""The two passes of a verification: digests of everything first, then up to the first step that differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from dtrain.engine import resolve_shards
from dtrain.errors import ConfigError

from .compare import at_the_end, explained, first_difference, same_as_before
from .jobs import Job, Runner, in_processes, in_threads
from .outcome import Difference, Outcome, Verification
from .recording import END

if TYPE_CHECKING:
    from dtrain.config import Config

EXPECTED = (
    'shards = "ranks" adds up in another order on every number of ranks: a difference of rounding is expected; '
    'shards = "auto" gives the same bits'
)


def verify_config(
    config: Config,
    ranks: Sequence[int],
    *,
    steps: int = 20,
    processes: bool = False,
    private: bool = False,
    tolerance: float | None = None,
) -> Verification:
    """Trains `steps` global batches on each number of ranks and compares all with the first.

    Raises ConfigError for ranks, steps or a tolerance that make no sense, what a run with this config raises of
    user's mistakes, and what every number of ranks fails with.
    """
    _check(config, ranks, steps, tolerance)
    run = in_processes(private) if processes else in_threads(private)
    shards = config.train.shards
    config = _shortened(config, steps, max(ranks))
    compare = _compare_ends if shards == "ranks" else _compare_steps
    outcomes = compare(run, config, ranks)
    kept = config.train.shards
    assert kept != "auto", "the number of shards is fixed for all ranks"
    return Verification(config.name, ranks[0], tuple(outcomes), steps, kept, processes, private, tolerance)


def _check(config: Config, ranks: Sequence[int], steps: int, tolerance: float | None) -> None:
    if len(ranks) < 2 or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in ranks):
        raise ConfigError(
            f"verify ranks: expected two numbers of ranks at least, such as 1,2,3, got {list(ranks)}"
        )
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"verify steps: expected a whole number ≥ 1, got {steps!r}")
    if tolerance is None:
        return
    if config.train.shards != "ranks":
        raise ConfigError(
            'verify tolerance: expected none, for every bit has to be the same; only shards = "ranks" has one'
        )
    if not tolerance >= 0:
        raise ConfigError(f"verify tolerance: expected a number ≥ 0, got {tolerance!r}")


def _shortened(config: Config, steps: int, most: int) -> Config:
    """Returns the config for so many steps on any of the ranks, with nothing in it that depends on the clock.

    Its own comparison of ranks is off: it would end a run before all is noted.
    """
    shards = config.train.shards
    train = replace(
        config.train,
        steps=steps,
        epochs=None,
        time_limit=None,
        check_replicas=0,
        shards=shards if shards == "ranks" else resolve_shards(shards, most),
    )
    return replace(
        config, train=train, checkpoint=replace(config.checkpoint, minutes=inf, steps=None, best=False)
    )


def _compare_steps(run: Runner, config: Config, ranks: Sequence[int]) -> list[Outcome]:
    reference = run(config, ranks[0], None)
    return [
        Outcome(n, _compare(run, config, (ranks[0], reference), (n, run(config, n, None)))) for n in ranks[1:]
    ]


def _compare(run: Runner, config: Config, one: tuple[int, Job], other: tuple[int, Job]) -> Difference | None:
    (few, (reference, failed)), (many, (job, error)) = one, other
    first = first_difference(reference[0], job)
    if first is None:
        for found in (failed, error):
            if found is not None:
                raise found
        return None
    again, there = run(config, few, first.number)[0], run(config, many, first.number)[0]
    place = reference[0].places[first.number]
    reproduced = same_as_before(place, first.number, reference, again) and same_as_before(
        job[0].places[first.number], first.number, job, there
    )
    return explained(first, again, there, again=reproduced)


def _compare_ends(run: Runner, config: Config, ranks: Sequence[int]) -> list[Outcome]:
    jobs = [run(config, n, END) for n in ranks]
    for _, error in jobs:
        if error is not None:
            raise error
    (reference, _), *others = jobs
    return [
        Outcome(n, at_the_end(reference, job, EXPECTED))
        for n, (job, _) in zip(ranks[1:], others, strict=True)
    ]
