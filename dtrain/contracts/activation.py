"""What an activation is."""

from __future__ import annotations

from .layer import Layer
from .output import Span


class Activation(Layer):
    """A layer that keeps the shape of its input and needs nothing but its rows.

    Usable as a layer of its own (`[[network]] name = "relu"`) and as another layer's `activation = "relu"`.
    """

    span: Span | None = None
    """Where the numbers of y lie, whatever x is; None: not known. `output_span` may say it better."""

    def output_span(self, taken: Span | None) -> Span | None:
        return self.span
