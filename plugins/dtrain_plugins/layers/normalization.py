"""What all normalizations share: ε, and the scale and offset at their end."""

from __future__ import annotations

from typing import ClassVar

from dtrain import Layer, Maker, Shape, Span

from ..ranges import Positive


class Normalization(Layer):
    """y = γ·x̂ + β; the parts say what x̂ is, and what d: the last dimension of their samples, (…, d).

    epsilon: ε > 0. scale, offset: whether γ (d,) (1 at the start, role "scale") and β (d,) (0, role "bias") are
    learned. Raises ValueError for another epsilon, and for samples without a dimension.
    """

    part: ClassVar[str]

    def __init__(self, epsilon: Positive = 1e-5, scale: bool = True, offset: bool = True) -> None:
        self.epsilon, self.has_scale, self.has_offset = epsilon, scale, offset

    def build(self, shape: Shape, make: Maker) -> Shape:
        if not shape:
            raise ValueError(f"{self.part} takes samples of at least one dimension, got ()")
        if self.has_scale:
            self.gamma = make.parameter("gamma", shape[-1:], "ones", role="scale")
        if self.has_offset:
            self.beta = make.parameter("beta", shape[-1:], "zeros", role="bias")
        return shape

    def output_span(self, taken: Span | None) -> Span | None:
        return Span()
