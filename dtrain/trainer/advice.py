"""What a job can be warned about before its first step: networks that train, but not as their author thinks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtrain.engine import Network
    from dtrain.engine.network import Node


def warnings_of(network: Network) -> list[str]:
    """Returns warnings, one line each. The parameters have their first values."""
    return [*_absorbed_biases(network), *_equal_weights(network)]


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
