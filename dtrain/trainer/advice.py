"""What a job can be warned about before its first step: networks that train, but not as their author thinks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtrain.engine import Network
    from dtrain.engine.network import Node


FEW_CHANNELS = (1, 3, 4)
"""Of images as they are stored: grey, red-green-blue, and these with transparency."""


def warnings_of(network: Network) -> list[str]:
    """Returns warnings, one line each. The parameters have their first values."""
    return [*_absorbed_biases(network), *_equal_weights(network), *_channels_first(network)]


def _channels_first(network: Network) -> Iterator[str]:
    """Images (C, H, W) are taken for ones of height C with W channels by a layer that wants (H, W, C)."""
    shape = network.input_shape
    if len(shape) != 3 or shape[0] not in FEW_CHANNELS or min(shape[1:]) <= max(shape[0], *FEW_CHANNELS):
        return
    for name, layer in network.layers.items():
        if layer.grid == shape:
            yield (
                f"layer {name!r} takes samples {shape} as {shape[0]}×{shape[1]} places of {shape[2]} channels each; if "
                f"they are images with the {shape[0]} channels first, put a transpose before it: axes = [1, 2, 0]"
            )
            return


def _absorbed_biases(network: Network) -> Iterator[str]:
    """The gradient of a bias that the next layer takes away is rounding, which Adam scales to full steps."""
    for i, node in enumerate(network.nodes):
        takers = [taker for taker in network.nodes if i + 1 in taker.inputs]
        if takers and all(taker.layer.absorbs_bias for taker in takers) and _ends_in_bias(node):
            yield (
                f"layer {node.name!r} has a bias that layer {takers[0].name!r} takes away again: "
                "it drifts and does nothing; leave it out (bias = false)"
            )


def _ends_in_bias(node: Node) -> bool:
    """An activation of the layer's own stands between its bias and the next layer."""
    has_bias = any(p.role == "bias" and p.trainable for p in node.parameters)
    return has_bias and getattr(node.layer, "activation", None) is None


def _equal_weights(network: Network) -> Iterator[str]:
    trained = [node for node in network.nodes if any(p.trainable for p in node.parameters)]
    for node in trained[:-1]:
        weights = [p.value for p in node.parameters if p.role == "weight" and p.trainable and p.size > 1]
        if weights and all(np.ptp(value) == 0 for value in weights):
            yield (
                f"layer {node.name!r}: its weights all start at {weights[0].flat[0]:g}, so that its units learn "
                "the same and train as one; choose another initializer"
            )
