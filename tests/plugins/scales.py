"""What the tests of figures at any scale share: numbers of any size and offset, and a pass over them on any ranks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine import Context, rank_ranges
from dtrain.engine.totals import Totals
from dtrain.random import SampleStreams
from dtrain.trainer.epoch import EpochSums
from dtrain.trainer.figures import Figures

SCALES = [1e-12, 1e-6, 1.0, 1e6, 1e12]
OFFSETS = [0.0, 1.0, 1e3, 1e6, 1e9]
DTYPES = ["float32", "float64"]
ALL_SCALES = [1e-30, 1e-22, *SCALES, 1e19, 1e30]
"""Those whose squares float32 cannot hold, too."""
RANKS = (1, 2, 3)
ROWS, BATCH, SHARDS = 61, 23, 8
EPS = float(np.finfo(np.float64).eps)


def offsets_at(scale: float) -> list[float]:
    """The offsets to try at a scale: those beyond SCALES are of interest without one."""
    return OFFSETS if scale in SCALES else [0.0]


def fractions(array: Any) -> list[Fraction]:
    """The numbers of an array, exact."""
    return [Fraction(value) for value in np.asarray(array, np.float64).reshape(-1).tolist()]


def random_of(*key: Any) -> np.random.Generator:
    """A generator of its own for each case."""
    return np.random.default_rng([abs(hash(float(part))) for part in key])


def numbers(shape: tuple[int, ...], scale: float, offset: float, dtype: str, seed: int = 0) -> np.ndarray:
    """Normal numbers `offset` deviations from 0, deviation `scale`, as far as the dtype tells them apart."""
    drawn = random_of(seed, scale, offset).standard_normal(shape)
    return ((drawn + offset) * scale).astype(dtype)


def epoch(ranks: int, make: Any, y: np.ndarray, target: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """The figures of an epoch in batches, and dy of all rows; fails unless all ranks have the same bits.

    make: returns (loss, metrics) for a rank. y: taken as what a network gives; target: as data.
    """

    def body(communicator: Any) -> Any:
        ranges = rank_ranges(SHARDS, communicator.size)
        totals = Totals(SHARDS, ranges, communicator)
        context = Context(totals, SampleStreams(0))
        batches = Batches(ArrayRows(y, target), BATCH, SHARDS, *ranges[communicator.rank], y.dtype)
        figures, so_far, dy = Figures(*make()), EpochSums(), np.zeros_like(y)
        figures.refer(batches.reference)
        with np.errstate(all="ignore"):  # as in a run
            for index in range(batches.count):
                for batch in batches.cut(index):
                    context.begin(batch.layout, training=True, step=0, epoch=0, place=batch.place)
                    sums, backward = figures.of(batch.x, batch, context)
                    first = batch.place + batch.layout.start
                    dy[first : first + batch.layout.local] = backward()
                    so_far.add(totals.add(sums).copy(), batches.size_of(index))
            return figures.result(so_far.sums, so_far.samples), dy

    parts = run_ranks(ranks, body)
    assert all(repr(part[0]) == repr(parts[0][0]) for part in parts)
    return parts[0][0], sum(part[1] for part in parts)


def on_any_ranks(make: Any, y: np.ndarray, target: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    """What `epoch` returns, which must be the same to the bit on 1, 2 and 3 ranks."""
    figures, dy = epoch(1, make, y, target)
    for ranks in (2, 3):
        found = epoch(ranks, make, y, target)
        assert repr(found[0]) == repr(figures)
        assert (found[1] == dy).all() or np.isnan(dy).any()
    return figures, dy
