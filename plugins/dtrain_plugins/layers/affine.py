"""What dense layers and convolutions end with: a bias and an activation."""

from __future__ import annotations

from typing import ClassVar

from dtrain import Activation, Array, Backward, Context, Initializer, Layer, Maker, Shape, Span


class Affine(Layer):
    """y = f(z + b); the parts say which product of x and W z is.

    initializer: of W. bias: whether there is a b, one number a channel of the output, zero at the start.
    activation: f; None: the identity.
    """

    part: ClassVar[str]

    def __init__(self, initializer: Initializer | str, bias: bool, activation: Activation | None) -> None:
        self.initializer, self.has_bias, self.activation = initializer, bias, activation

    def finish(self, out: Shape, make: Maker) -> Shape:
        """Makes b and the activation; out: the shape of a sample of z. Returns that of y."""
        if self.has_bias:
            self.bias = make.parameter("bias", out[-1:], "zeros", role="bias")
        return out if self.activation is None else make.layer(self.activation, out, "activation")

    def output_span(self, taken: Span | None) -> Span | None:
        return Span() if self.activation is None else self.activation.output_span(Span())

    def activate(self, z: Array, context: Context) -> tuple[Array, Backward]:
        """Returns f(z), and dy → dz."""
        return (z, _same) if self.activation is None else self.activation.forward(z, context)


def _same(dy: Array) -> Array:
    return dy
