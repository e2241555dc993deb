"""A network: a graph of layers, run forwards and backwards over this rank's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import Output
from dtrain.errors import ConfigError, did_you_mean, listed

from .maker import Inventory, build_layer

if TYPE_CHECKING:
    from dtrain.contracts import Initializer, Layer, Span
    from dtrain.parameter import Parameter, State
    from dtrain.types import Array, Backward, Shape

    from .context import Context

INPUT = "input"
"""The name by which a layer's `inputs` reach the data."""


@dataclass
class Node:
    """One layer in the graph. inputs: indices of what it takes; 0 is the data, i+1 the output of node i."""

    name: str
    layer: Layer
    inputs: tuple[int, ...]
    shape: Shape = ()
    parameters: list[Parameter] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = self.inputs[0] if len(self.inputs) == 1 else None


class Network:
    """Layers in order; each takes the output of the one above it, or of those that its `inputs` name.

    layers: (name, layer) each; names are unique. shape: of one input sample. dtype: of the parameters.
    initializer: from a name to a part, for layers that ask by name. describe: how messages call a layer.
    needs_dx: whether the gradient of the data is wanted.
    """

    def __init__(
        self,
        layers: Sequence[tuple[str, Layer]],
        shape: Shape,
        dtype: Any,
        initializer: Callable[[str], Initializer],
        describe: Callable[[Layer], str] = lambda layer: type(layer).__name__,
        needs_dx: bool = False,
    ) -> None:
        if not layers:
            raise ConfigError("a network needs at least one layer: add a [[network]] table")
        self.dtype = np.dtype(dtype)
        self.input_shape = shape
        self.watch: Callable[[str, str, Array], None] | None = None
        """Is shown (layer, "forward", "backward" or "fit", result) after each, when debugging."""
        self.describe = describe
        self.inventory = Inventory(dtype, initializer)
        self.nodes: list[Node] = []
        shapes: list[Shape] = [shape]
        for name, layer in layers:
            node = Node(name, layer, self._inputs_of(name, layer))
            before = len(self.inventory.parameters)
            taken: Any = [shapes[i] for i in node.inputs]
            node.shape = self._build(node, taken[0] if len(taken) == 1 else tuple(taken))
            node.parameters = list(self.inventory.parameters.values())[before:]
            shapes.append(node.shape)
            self.nodes.append(node)
        self.shape = shapes[-1]
        self._check_used()
        self._skip_needless(needs_dx)

    def _inputs_of(self, name: str, layer: Layer) -> tuple[int, ...]:
        if any(node.name == name for node in self.nodes):
            raise ConfigError(f"two layers of the network have the id {name!r}; ids must be unique")
        if not layer.inputs:
            return (len(self.nodes),)
        known = {INPUT: 0} | {node.name: i + 1 for i, node in enumerate(self.nodes)}
        for wanted in layer.inputs:
            if wanted not in known:
                raise ConfigError(
                    f"layer {name!r}: inputs names {wanted!r}, which is no layer above it"
                    f"{did_you_mean(wanted, known)}; there are {listed(known)}"
                )
        return tuple(known[wanted] for wanted in layer.inputs)

    def _build(self, node: Node, shape: Any) -> Shape:
        try:
            return build_layer(self.inventory, node.layer, shape, node.name)
        except ValueError as error:  # a layer's way to say that the shape does not fit
            raise ConfigError(f"layer {node.name!r} ({self.describe(node.layer)}): {error}") from error
        except Exception as error:
            error.add_note(f"while building layer {node.name!r} ({self.describe(node.layer)})")
            raise

    def _check_used(self) -> None:
        used = {i for node in self.nodes for i in node.inputs}
        for i, node in enumerate(self.nodes[:-1]):
            if i + 1 not in used:
                raise ConfigError(
                    f"the output of layer {node.name!r} is used by no layer; remove it or name it"
                )

    def _skip_needless(self, needs_dx: bool) -> None:
        """Tells the layers right behind the data that nothing in front of them is trained."""
        wanted = [needs_dx]
        for node in self.nodes:
            node.layer.needs_dx = False
        for node in self.nodes:
            needed = any(wanted[i] for i in node.inputs)
            node.layer.needs_dx = node.layer.needs_dx or needed  # a layer may stand at several nodes
            wanted.append(needed or any(p.trainable for p in node.parameters))

    @property
    def parameters(self) -> list[Parameter]:
        """All parameters, in the order in which the layers made them."""
        return list(self.inventory.parameters.values())

    @property
    def output(self) -> Output:
        """What the last layer gives: its shape, and where its numbers lie if the layers say it."""
        ranges: list[Span | None] = [None]
        for node in self.nodes:
            ranges.append(node.layer.output_span(None if node.source is None else ranges[node.source]))
        return Output(self.shape, ranges[-1], self.nodes[-1].name)

    @property
    def layers(self) -> dict[str, Layer]:
        """All layers by full name, those within others too; an object that stands at several places once."""
        return self.inventory.layers

    @property
    def states(self) -> list[State]:
        """All running statistics, in the order in which the layers made them."""
        return list(self.inventory.states.values())

    def forward(
        self, x: Array, context: Context, until: int | None = None
    ) -> tuple[Array, Callable[[Array], Array | None]]:
        """Returns the last layer's output (rows, *shape) and the backward pass of the whole network.

        until: how many layers to run; the output is that of the last of them, and there is no way back.
        """
        outputs: list[Any] = [x]
        backwards: list[Backward] = []
        node = self.nodes[0]
        watch = self.watch
        try:
            for node in self.nodes if until is None else self.nodes[:until]:
                context.layer = node.name
                source = node.source
                taken: Any = tuple([outputs[i] for i in node.inputs]) if source is None else outputs[source]
                y, backward = node.layer.forward(taken, context)
                if watch is not None:
                    watch(node.name, "forward", y)
                outputs.append(y)
                backwards.append(backward)
        except Exception as error:
            self._note(error, node, "forward")
            raise

        def back(dy: Array) -> Array | None:
            return self._backward(dy, backwards, context)

        return outputs[-1], back

    def _backward(self, dy: Array, backwards: list[Backward], context: Context) -> Array | None:
        grads: list[Array | None] = [None] * (len(self.nodes) + 1)
        grads[-1] = dy
        node = self.nodes[-1]
        try:
            for k in range(len(self.nodes) - 1, -1, -1):
                dy_k = grads[k + 1]
                if dy_k is None:
                    continue
                node = self.nodes[k]
                context.layer = node.name
                dx = backwards[k](dy_k)
                if node.source is not None:
                    self._pass_on(grads, node, node.source, dx)
                else:
                    for i, part in zip(node.inputs, dx, strict=True):  # type: ignore[arg-type]
                        self._pass_on(grads, node, i, part)
        except Exception as error:
            self._note(error, node, "backward")
            raise
        return grads[0]

    def _pass_on(self, grads: list[Array | None], node: Node, to: int, dx: Array | None) -> None:
        if dx is None:
            if node.layer.needs_dx:
                raise TypeError("backward must return dx, got None")
            return
        if self.watch is not None:
            self.watch(node.name, "backward", dx)
        before = grads[to]
        grads[to] = dx if before is None else before + dx

    def _note(self, error: Exception, node: Node, phase: str) -> None:
        error.add_note(f"in the {phase} of layer {node.name!r} ({self.describe(node.layer)})")
