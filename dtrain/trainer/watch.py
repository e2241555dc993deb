"""What `dtrain debug` looks at after every layer, and every fit: shapes, and values that are not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain.errors import NonFiniteError

if TYPE_CHECKING:
    from dtrain.engine import Network
    from dtrain.types import Array, Shape


_WHAT = {"forward": "its output y", "backward": "its gradient dx", "fit": "what it learned"}


class Watch:
    """Is shown every layer's y and dx, and what a fit learned.

    Raises TypeError or NonFiniteError for the first that is wrong.
    """

    def __init__(self, network: Network) -> None:
        shapes = [network.input_shape, *(node.shape for node in network.nodes)]
        self._first = network.nodes[0].name
        self._rows = 0
        self._expected: dict[tuple[str, str], list[Shape]] = {}
        for node in network.nodes:
            self._expected[node.name, "forward"] = [node.shape]
            self._expected[node.name, "backward"] = [shapes[i] for i in node.inputs]

    def __call__(self, layer: str, phase: str, result: Array) -> None:
        what = _WHAT[phase]
        if phase != "fit":
            self._check_shape(layer, phase, result, what)
        if not np.isfinite(result).all():
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
            raise NonFiniteError(f"layer {layer!r}, {phase}: {what} is not finite at {at}: {result[at]}")

    def _check_shape(self, layer: str, phase: str, result: Array, what: str) -> None:
        if (layer, phase) == (self._first, "forward"):
            self._rows = len(result)
        expected = [(self._rows, *shape) for shape in self._expected[layer, phase]]
        if result.shape not in expected:
            raise TypeError(
                f"layer {layer!r}, {phase}: {what} must be of shape {' or '.join(map(str, expected))}, "
                f"got {result.shape}"
            )
