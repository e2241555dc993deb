"""The few types that every signature shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
"""The shape of one sample: without the rows."""

Backward: TypeAlias = Callable[[Array], Array | None]
"""dy → dx, of the shapes of y and x; None only from a layer whose `needs_dx` is False."""

GradientOf: TypeAlias = Callable[[slice, Array], object]
"""(rows, out): writes the gradient of the plain sum over these rows into `out`."""
