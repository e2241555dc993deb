"""Layers one after another inside another layer."""

from __future__ import annotations

from collections.abc import Sequence

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span


class Chain:
    """What a container does with a list of layers. Each is named by its `id`, or its number, from 1.

    Raises ValueError for layers that name `inputs`, and for ids that are not unique.
    """

    def __init__(self, layers: list[Layer], prefix: str = "") -> None:
        self.layers: dict[str, Layer] = {}
        for number, layer in enumerate(layers, start=1):
            name = prefix + str(getattr(layer, "id", number))
            if layer.inputs:
                raise ValueError(
                    f"a layer inside a container takes the one above it, got inputs in layer {name!r}"
                )
            if name in self.layers:
                raise ValueError(f"ids inside a container must be unique, got {name!r} twice")
            self.layers[name] = layer

    def build(self, shape: Shape, make: Maker) -> Shape:
        for name, layer in self.layers.items():
            try:
                shape = make.layer(layer, shape, name)
            except ValueError as error:  # a layer's way to say that the shape does not fit
                raise ValueError(f"layer {name!r} inside: {error}") from error
        return shape

    def output_span(self, taken: Span | None) -> Span | None:
        for layer in self.layers.values():
            taken = layer.output_span(taken)
        return taken

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        outer, done = context.layer, []
        for name, layer in self.layers.items():
            context.layer = f"{outer}.{name}"  # random numbers and messages are the layer's own
            x, backward = layer.forward(x, context)
            done.append((context.layer, backward))
        context.layer = outer

        def back(dy: Array) -> Array:
            outer = context.layer
            for context.layer, backward in reversed(done):
                dx = backward(dy)
                assert dx is not None, "a layer inside another is asked for its dx"
                dy = dx
            context.layer = outer
            return dy

        return x, back


def total(ranges: Sequence[Span | None]) -> Span | None:
    """Return the range of a sum of numbers of these ranges."""
    known = [one for one in ranges if one is not None]
    if len(known) < len(ranges):
        return None
    return Span(sum(one.low for one in known), sum(one.high for one in known))
