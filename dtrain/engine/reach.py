"""What a network gives to one of its layers, or gets from it: the network runs up to there and no further."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dtrain.contracts import Layer
    from dtrain.types import Array

    from .context import Context
    from .network import Network


class _Reached(BaseException):
    """Carries an array out of a forward pass; no `except Exception` on the way stops it."""

    def __init__(self, found: Any) -> None:
        self.found = found


def input_of(network: Network, layer: Layer, x: Array, context: Context) -> Any:
    """Returns what the layer is given first when the network is given x: an array, or a tuple of them."""

    def forward(x: Any, _: Context) -> Any:
        raise _Reached(x)

    return _run(network, layer, forward, x, context)


def output_of(network: Network, layer: Layer, x: Array, context: Context) -> Array:
    """Returns what the layer gives first when the network is given x."""
    original = layer.forward

    def forward(x: Any, context: Context) -> Any:
        y, _ = original(x, context)
        raise _Reached(y)

    found: Array = _run(network, layer, forward, x, context)
    return found


def _run(
    network: Network, layer: Layer, forward: Callable[[Any, Context], Any], x: Array, context: Context
) -> Any:
    """Runs the network with another `forward` in the layer's place, for the time of the pass."""
    own = vars(layer).get("forward")
    vars(layer)["forward"] = forward
    try:
        network.forward(x, context)
    except _Reached as reached:
        return reached.found
    finally:
        if own is None:
            del vars(layer)["forward"]
        else:
            vars(layer)["forward"] = own
    raise RuntimeError("inference never comes to this layer, so that it has nothing to learn from")
