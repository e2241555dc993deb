"""What one pass over rows takes and gives, on one rank of a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dtrain.engine import Context, Layout

from .guard import NAME, Look

if TYPE_CHECKING:
    from dtrain.types import Array


class Passed(NamedTuple):
    """What one rank saw. rows: arrays of its rows, start … stop of the batch. totals: the same on all ranks."""

    start: int
    stop: int
    rows: dict[str, Array]
    totals: dict[str, Array]


class Cuts(Layout):
    """A layout whose shards have the given sizes."""

    def __init__(self, sizes: Sequence[int], first: int, last: int) -> None:
        bounds = [0, *accumulate(sizes)]
        self.rows = bounds[-1]
        self.start, self.stop = bounds[first], bounds[last]
        self.local = self.stop - self.start
        self.slices = [slice(bounds[i] - self.start, bounds[i + 1] - self.start) for i in range(first, last)]
        self.sizes = [s.stop - s.start for s in self.slices]


class Options(NamedTuple):
    """How to run.

    sampling: None: as training. look: is shown every raw result. frozen: inputs are read-only. prepare: is given
    the context. learned: what layers that fit learn from; None: samples of ordinary size.
    """

    dtype: Any = np.float64
    training: bool = True
    sampling: bool | None = None
    seed: int = 0
    epoch: int = 0
    place: int = 0
    frozen: bool = False
    look: Look | None = None
    prepare: Callable[[Context], None] | None = None
    learned: Array | None = None

    def moment(self) -> dict[str, Any]:
        """Returns what the context is told of the pass."""
        step = 10 * self.epoch
        modes = {"training": self.training, "sampling": self.sampling}
        return {**modes, "step": step, "epoch": self.epoch, "place": self.place}


def cast_rows(array: Array, layout: Layout, options: Options) -> Array:
    """Returns this rank's rows of a batch in the run's dtype, a copy."""
    return frozen_rows(np.asarray(array, options.dtype), layout, options)


def frozen_rows(array: Array, layout: Layout, options: Options) -> Array:
    """Returns this rank's rows of a batch, a copy, read-only where that is asked for."""
    mine = np.array(array[layout.start : layout.stop])
    mine.setflags(write=not options.frozen)
    return mine


def short(name: str) -> str:
    """Returns a parameter's name without the layer's."""
    return name.removeprefix(f"{NAME}.")
