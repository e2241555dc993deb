"""Convolutions of any dimension, as products with what each window sees."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar

import numpy as np

from dtrain import Activation, Array, Backward, Context, Initializer, Maker, Shape

from .affine import Affine
from .windows import Padding, Windows, check_grid, sizes


class Convolution(Affine):
    """What `conv1d` and `conv2d` are; they say what the options mean."""

    dimensions: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel: int | Sequence[int],
        stride: int | Sequence[int],
        padding: Padding,
        dilation: int | Sequence[int],
        groups: int,
        initializer: Initializer | str,
        bias: bool,
        activation: Activation | None,
    ) -> None:
        if filters < 1 or groups < 1 or filters % groups:
            raise ValueError(
                f"filters must be at least 1, and a multiple of groups, got {filters} filters in {groups} groups"
            )
        super().__init__(initializer, bias, activation)
        self.filters, self.padding, self.groups = filters, padding, groups
        self.kernel = sizes(kernel, self.dimensions, "kernel")
        self.stride = sizes(stride, self.dimensions, "stride")
        self.dilation = sizes(dilation, self.dimensions, "dilation")

    def build(self, shape: Shape, make: Maker) -> Shape:
        check_grid(self, shape, self.dimensions, self.part)
        channels, groups = shape[-1], self.groups
        if channels % groups:
            raise ValueError(f"{self.part} has {groups} groups, which {channels} channels cannot be cut into")
        self.windows = Windows(shape[:-1], self.kernel, self.stride, self.dilation, self.padding)
        inputs, outputs = channels // groups, self.filters // groups
        self.inputs_of = [slice(g * inputs, (g + 1) * inputs) for g in range(groups)]
        self.filters_of = [slice(g * outputs, (g + 1) * outputs) for g in range(groups)]
        self.seen = prod(self.kernel) * inputs
        self.weight = make.parameter(
            "weight",
            (*self.kernel, inputs, self.filters),
            self.initializer,
            fans=(self.seen, prod(self.kernel) * outputs),
        )
        return self.finish((*self.windows.count, self.filters), make)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        w = self.weight.value.reshape(self.seen, self.filters)
        patches = [self.windows.patches(x[..., part], context) for part in self.inputs_of]
        y = self._joined(
            [context.matmul(p, w[:, part]) for p, part in zip(patches, self.filters_of, strict=True)],
            context,
        )
        if self.has_bias:
            y += self.bias.value
        y, activate = self.activate(y, context)

        def backward(dy: Array) -> Array | None:
            dz = activate(dy)
            assert dz is not None, "an activation inside a layer is asked for its dx"
            parts = [np.ascontiguousarray(dz[..., part]) for part in self.filters_of]
            context.gradient(self.weight, lambda rows, out: self._weight_gradient(patches, parts, rows, out))
            if self.has_bias:
                context.gradient(self.bias, lambda rows, out: column_sums(dz[rows], out, context))
            if not self.needs_dx:
                return None
            dx = [
                self.windows.scatter(part, w[:, f], context)
                for part, f in zip(parts, self.filters_of, strict=True)
            ]
            return self._joined(dx, context)

        return y, backward

    def _weight_gradient(self, patches: list[Array], dz: list[Array], rows: slice, out: Array) -> None:
        flat = out.reshape(self.seen, self.filters)
        for p, part, f in zip(patches, dz, self.filters_of, strict=True):
            left, right = p[rows].reshape(-1, self.seen), part[rows].reshape(-1, part.shape[-1])
            np.matmul(left.T, right, out=flat[:, f])

    @staticmethod
    def _joined(parts: list[Array], context: Context) -> Array:
        """Returns the groups' channels side by side."""
        if len(parts) == 1:
            return parts[0]
        shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
        return np.concatenate(parts, axis=-1, out=context.empty(shape, parts[0].dtype))


def column_sums(x: Array, out: Array, context: Context) -> None:
    """Writes the sum over all but the last axis: a product with ones rounds less than adding one by one."""
    flat = x.reshape(-1, x.shape[-1])
    ones = context.empty((len(flat),), x.dtype)
    ones.fill(1)
    np.matmul(ones, flat, out=out)
