"""No array of the input's size is allocated where `context.empty` could have given one. Advice for strangers."""

from __future__ import annotations

import linecache
import sys
import sysconfig
import tracemalloc
from math import prod
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

import dtrain
from dtrain.communicator import SerialCommunicator

from .data import Data, numbers, sample
from .exercise import Pad
from .failure import Failure
from .passes import Options
from .rows import LayerRunner, PartRunner
from .updates import decide, products

if TYPE_CHECKING:
    from .subject import Subject

_ROWS = 1 << 15  # NumPy casts in buffers of 8,192 numbers: an array must be larger
_CORE = str(Path(dtrain.__file__).parent)
_LIBRARIES = (str(Path(np.__file__).parent), sysconfig.get_path("stdlib"), "<frozen", "<string")


def check_scratch(subject: Subject) -> None:
    """A warm forward and backward allocate nothing as large as the batch: results go to `context.empty`."""
    meter = Meter()
    if subject.kind == "optimizers":
        _measure_update(subject, meter)
        threshold = 4 * 4 * _ROWS
    else:
        if prod(subject.flat_input) < 3:  # a number a row would be as large as the input
            return
        data = sample(subject, _ROWS)
        smaller = min(data.x.size, data.dy.size) if subject.is_layer else data.x.size
        threshold = 4 * smaller
        _measure_rows(subject, data, meter)
    if meter.largest >= 0.9 * threshold:
        raise Failure(
            f"{meter.where}: expected no array of the input's size ({threshold} bytes) to be allocated, "
            f"got {meter.largest}; write the result into context.empty(shape, dtype) with out="
        )


def _measure_rows(subject: Subject, data: Data, meter: Meter) -> None:
    options = Options(dtype=np.float32)
    runner = (LayerRunner if subject.is_layer else PartRunner)(subject, SerialCommunicator(), 1, options)
    for _ in range(2):
        runner.run(data, [_ROWS])
    with meter:
        runner.run(data, [_ROWS])


def _measure_update(subject: Subject, meter: Meter) -> None:
    part, size = subject.make(), 4 * _ROWS
    value, gradient = (numbers((size,), i).astype(np.float32) for i in (1, 2))
    slots = [np.zeros(size, np.float32) for _ in part.slots]
    given = [np.empty(size, np.float32) for _ in range(8)]
    pad: Any = Pad(np.float32, 1)
    pad.empty = lambda count: given.pop()[:count]
    if part.sums_over:
        with meter:
            pairs = part.measure(value, gradient, pad, *slots)
        decide(part, pad, [products(pairs)])
    with meter:
        part.update(value, gradient, pad, *slots)


class Meter:
    """Finds the largest allocation of a single operation in code that is not dtrain's own, and its line.

    Works by a trace function on every instruction; calls into the core are left out, whatever they allocate.
    """

    def __init__(self) -> None:
        self.largest, self.where = 0, ""
        self._before = 0

    def __enter__(self) -> Meter:
        self._debugger, self._tracing = sys.gettrace(), tracemalloc.is_tracing()
        if not self._tracing:
            tracemalloc.start()
        self._restart()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._debugger)
        if not self._tracing:
            tracemalloc.stop()

    def _restart(self) -> None:
        tracemalloc.reset_peak()
        self._before = tracemalloc.get_traced_memory()[0]

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if name.startswith(_CORE):
            frame.f_trace_lines = False
            self._restart()
            return self._trace_core
        if name.startswith(_LIBRARIES) and "site-packages" not in name.removeprefix(_LIBRARIES[0]):
            return None  # what it allocates counts for the line that called it
        frame.f_trace_opcodes = True
        self._restart()
        return self._trace_part

    def _trace_core(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event in ("return", "exception"):
            self._restart()
        return self._trace_core

    def _trace_part(self, frame: FrameType, event: str, argument: Any) -> Any:
        taken = tracemalloc.get_traced_memory()[1] - self._before
        if taken > self.largest:
            name, line = frame.f_code.co_filename, frame.f_lineno
            self.largest = taken
            self.where = f"{Path(name).name}, line {line}, `{linecache.getline(name, line).strip()}`"
        self._restart()
        return self._trace_part
