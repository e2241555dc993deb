"""What an activation is."""

from __future__ import annotations

from .layer import Layer


class Activation(Layer):
    """A layer that keeps the shape of its input and needs nothing but its rows.

    Usable as a layer of its own (`[[network]] name = "relu"`) and as another layer's `activation = "relu"`.
    """
