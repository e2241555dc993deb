from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

from dtrain import Activation, Array, Backward, Context, Initializer, Maker, Shape

from ..ranges import Count
from .affine import Affine
from .convolution import column_sums
from .windows import Windows, check_grid, sizes


class Conv2dTranspose(Affine):
    """The transpose of a convolution: each pixel adds a kernel to the output, y[i·s + p, j·s + q, f] += x·W.

    x: (rows, H, W, C) → y: (rows, H′, W′, filters), channels last: y = f(Σ x[i, j, c]·W[p, q, f, c] + b[f]), with
    the linear map that is the gradient of `conv2d` with respect to its input. W: (kh, kw, filters, C). b:
    (filters,), zero at the start.

    filters: channels of the output, ≥ 1. kernel, stride (s), dilation (d): ≥ 1, one number or [down, right].
    padding: "valid": all of the output, H′ = (H − 1)·s + (kh − 1)·d + 1; "same": H′ = H·s, cut above and below,
    the odd one below. initializer: of W, with fans (⌈kh/s⌉·⌈kw/s⌉·C, kh·kw·filters): n_in is how many terms a
    pixel of the output has. bias: whether there is a b. activation: f.

    Raises ValueError for options out of range, and for samples that are no images.

    Zeiler, Krishnan, Taylor & Fergus, "Deconvolutional networks", 2010.
    """

    part = "conv2d_transpose"
    examples = [
        {"filters": 3, "input": (3, 4, 2)},
        {"filters": 2, "kernel": [2, 4], "stride": [1, 2], "padding": "same", "input": (3, 3, 3)},
        {
            "filters": 1,
            "dilation": 2,
            "initializer": "he_normal",
            "bias": False,
            "activation": "tanh",
            "input": (2, 3, 2),
        },
    ]

    def __init__(
        self,
        filters: Count,
        kernel: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: Literal["valid", "same"] = "valid",
        dilation: int | tuple[int, int] = 1,
        initializer: Initializer | str = "glorot_uniform",
        bias: bool = True,
        activation: Activation | None = None,
    ) -> None:
        super().__init__(initializer, bias, activation)
        self.filters, self.padding = filters, padding
        self.kernel, self.stride = sizes(kernel, 2, "kernel"), sizes(stride, 2, "stride")
        self.dilation = sizes(dilation, 2, "dilation")

    def build(self, shape: Shape, make: Maker) -> Shape:
        check_grid(self, shape, 2, self.part)
        self.channels = shape[-1]
        grid = tuple(
            n * s if self.padding == "same" else (n - 1) * s + (k - 1) * d + 1
            for n, k, s, d in zip(shape[:-1], self.kernel, self.stride, self.dilation, strict=True)
        )
        self.windows = Windows(grid, self.kernel, self.stride, self.dilation, self.padding)
        terms = prod(-(-k // s) for k, s in zip(self.kernel, self.stride, strict=True))
        self.weight = make.parameter(
            "weight",
            (*self.kernel, self.filters, self.channels),
            self.initializer,
            fans=(terms * self.channels, prod(self.kernel) * self.filters),
        )
        return self.finish((*grid, self.filters), make)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        w = self.weight.value.reshape(-1, self.channels)
        y = self.windows.scatter(x, w, context)
        if self.has_bias:
            y += self.bias.value
        y, activate = self.activate(y, context)

        def backward(dy: Array) -> Array | None:
            dz = activate(dy)
            assert dz is not None, "an activation inside a layer is asked for its dx"
            patches = self.windows.patches(dz, context)

            def of(rows: slice, out: Array) -> None:
                left, right = patches[rows].reshape(-1, len(w)), x[rows].reshape(-1, self.channels)
                np.matmul(left.T, right, out=out.reshape(w.shape))

            context.gradient(self.weight, of)
            if self.has_bias:
                context.gradient(self.bias, lambda rows, out: column_sums(dz[rows], out, context))
            return context.matmul(patches, w) if self.needs_dx else None

        return y, backward
