"""Results have the dtype that came in, and are C-contiguous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .data import numbers, sample
from .exercise import Pad, exercise, vector
from .failure import check_equal, differ
from .passes import Options
from .rows import ROW_KINDS
from .updates import update

if TYPE_CHECKING:
    from .subject import Subject

_ADVICE = (
    "a float64 array or NumPy scalar among float32 makes float64: "
    "use Python numbers, x.dtype.type(…), or astype(x.dtype)"
)
_LOOKED = ("y", "dx", "values", "weights", "dy", "predict", "x")


def check_dtype(subject: Subject) -> None:
    """Float32 in, float32 out; float64 in, float64 out: outputs, gradients, losses, an update's temporaries.

    A loss's values may be float64 in any case: they are added up as such.
    """
    if subject.kind in ROW_KINDS:
        for dtype in (np.float32, np.float64):
            _look(subject, np.dtype(dtype))
    elif subject.kind == "schedules":
        _check_factors(subject)
    elif subject.kind == "initializers":
        for name, values in exercise(subject).items():
            check_equal(
                f"dtype of {name}", np.dtype(np.float64), np.asarray(values).dtype, "the engine casts it"
            )
    else:
        _watch(subject)


def _look(subject: Subject, dtype: np.dtype[Any]) -> None:
    wrong: dict[str, Any] = {}

    def look(name: str, array: Any) -> None:
        result = np.asarray(array)
        allowed = (dtype, np.dtype(np.float64)) if name == "values" else (dtype,)
        if name in _LOOKED and array is not None and result.dtype not in allowed:
            wrong.setdefault(name, result.dtype)

    for training in (True, False):
        exercise(subject, Options(dtype=dtype, look=look, training=training), sample(subject, 6))
    for name, got in wrong.items():
        raise differ(f"dtype of {name}, for {dtype} input", dtype, got, _ADVICE)


def _check_factors(subject: Subject) -> None:
    """A NumPy factor makes `lr` a NumPy number, and an update's arrays float64."""
    part = subject.make()
    for step in range(3):
        factor = part(step, 3, step / 2)
        if type(factor) not in (int, float):
            raise differ("type of the factor", "float", f"{type(factor).__name__}", "return float(factor)")


class Watched(np.ndarray[Any, Any]):
    """An array that notes every float64 array among what it is combined with, and what comes of it."""

    found: list[str] = []

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        arrays = [_plain(value) for value in inputs]
        if out is not None:
            options["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*arrays, **options)
        for value in (*arrays, result):
            if isinstance(value, np.ndarray) and value.ndim and value.dtype == np.float64:
                self.found.append(f"np.{ufunc.__name__}")
        return result.view(Watched) if isinstance(result, np.ndarray) else result


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Watched) else value


def _watch(subject: Subject) -> None:
    """Looks at every step that an update, or a regularizer's gradient, takes on float32 arrays."""
    Watched.found = []
    part = subject.make()
    value = vector_of(subject).astype(np.float32).view(Watched)
    out = numbers(value.shape, 1).astype(np.float32).view(Watched)
    if subject.kind == "regularizers":
        part.gradient(value, out)
        if part.decoupled:
            part.decay(value, 0.1)
    else:
        slots = [np.zeros(len(value), np.float32).view(Watched) for _ in part.slots]
        for step in (1, 2):
            update(part, value, out, Pad(np.float32, step, lambda array: array.view(Watched)), slots)
    if Watched.found:
        raise differ("arrays at work on float32", "float32", f"float64 in {Watched.found[0]}", _ADVICE)


def vector_of(subject: Subject) -> Any:
    return vector(subject)


def check_contiguous(subject: Subject) -> None:
    """y, dx and a loss's dy are C-contiguous: an exchange between ranks sends bytes in order."""
    wrong: list[str] = []

    def look(name: str, array: Any) -> None:
        if name in ("y", "dx", "dy", "x") and isinstance(array, np.ndarray) and not array.flags.c_contiguous:
            wrong.append(name)

    for training in (True, False):
        exercise(subject, Options(look=look, training=training), sample(subject, 6))
    if wrong:
        raise differ(f"order of {wrong[0]}", "C-contiguous", "another", "return np.ascontiguousarray(…)")
