"""No finite input makes a warning or a NaN."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import Data, extremes, with_x
from .exercise import exercise
from .failure import Failure, differ
from .passes import Options
from .rows import ROW_KINDS

if TYPE_CHECKING:
    from dtrain.engine import Context
    from dtrain.types import Array, Shape

    from .subject import Subject

_ADVICE = (
    "rewrite the formula so that it bears numbers up to 1e4, or declare what the part takes with "
    "range=(low, high) in its example"
)
_BY_INPUT = (*ROW_KINDS, "optimizers", "regularizers")


def check_finite(subject: Subject) -> None:
    """Inputs up to 1e4, or of the declared range, zeros, constants, one row beside an empty shard: all finite.

    Layers that fit learn from these, too.
    """
    for options in (
        Options(dtype=np.float32),
        Options(dtype=np.float64),
        Options(dtype=np.float32, training=False),
    ):
        for data in _batches(subject):
            for name, result in _quietly(subject, options, data):
                values = np.asarray(result)
                if values.dtype.kind in "fc" and not np.isfinite(values).all():
                    at = [int(i) for i in np.argwhere(~np.isfinite(values))[0]]
                    raise differ(
                        f"{name} at {at}{_told(data)}", "a finite number", str(values[tuple(at)]), _ADVICE
                    )


def _batches(subject: Subject) -> Iterator[Data | None]:
    if subject.kind not in _BY_INPUT:
        yield None
        return
    for x in extremes(subject, 5):
        yield with_x(subject, x)


def _quietly(subject: Subject, options: Options, data: Data | None) -> list[tuple[str, Any]]:
    """Returns what the part gives; a warning is a failure, from NumPy or from anything else."""
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"), warnings.catch_warnings():
            warnings.simplefilter("error")
            learned = None if data is None else data.x
            found = exercise(subject, options._replace(prepare=_fill_scratch, learned=learned), data)
    except (FloatingPointError, Warning, OverflowError, ZeroDivisionError) as error:
        raise Failure(f"{error}{_told(data)}, {np.dtype(options.dtype)}; {_ADVICE}") from error
    return [(name, value) for name, value in found.items() if not isinstance(value, list)]


def _fill_scratch(context: Context) -> None:
    """Makes `context.empty` give arrays full of NaN: as it may, in a run."""
    empty = context.empty

    def filled(shape: Shape, dtype: Any) -> Array:
        array = empty(shape, dtype)
        if array.dtype.kind in "fc":
            array.fill(np.nan)
        return array

    context.empty = filled


def _told(data: Data | None) -> str:
    if data is None:
        return ""
    return f", for inputs of {data.x.min(initial=np.inf):.3g} … {data.x.max(initial=-np.inf):.3g}"
