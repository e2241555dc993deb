"""The arrays of a network by name, in its order, and what messages call them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dtrain.engine import Network, Replica
    from dtrain.types import Array

Kind = Literal["value", "state"]


def in_network_order(replica: Replica) -> Iterator[tuple[Kind, str, Array]]:
    """Yields (kind, name, array) of parameters and running statistics, layer by layer."""
    network = replica.network
    order = {name: i for i, name in enumerate(network.layers)}
    found: list[tuple[Kind, str, Array]] = [("value", p.name, p.value) for p in network.parameters]
    found += [("state", s.name, s.value) for s in network.states]
    yield from sorted(found, key=lambda tensor: order[layer_of(network, tensor[1])])


def layer_of(network: Network, tensor: str) -> str:
    """Returns the full name of the layer that made a parameter or a running statistic."""
    owners = [name for name in network.layers if tensor.startswith(f"{name}.")]
    return max(owners, key=len)


def described(network: Network, tensor: str) -> str:
    """Returns how messages call a tensor: what it is, its name, its layer, and where that comes from."""
    what = "the running statistic" if tensor in network.inventory.states else "the parameter"
    layer = layer_of(network, tensor)
    return f"{what} {tensor!r} of layer {layer!r} ({network.describe(network.layers[layer])})"
