"""Layers and an activation that are right."""

from __future__ import annotations

import numpy as np

from dtrain import Activation, Layer


class Double(Activation):
    """y = 2x: right, and what the broken ones are made from."""

    def forward(self, x, context):
        y = np.multiply(x, 2, out=context.empty(x.shape, x.dtype))
        return y, lambda dy: np.multiply(dy, 2, out=context.empty(dy.shape, dy.dtype))


class Shift(Layer):
    """y = x + b: right, with a parameter."""

    def build(self, shape, make):
        self.b = make.parameter("b", shape, "zeros", role="bias")
        return shape

    def forward(self, x, context):
        y = np.add(x, self.b.value, out=context.empty(x.shape, x.dtype))

        def backward(dy):
            context.gradient(self.b, lambda rows, out: np.sum(dy[rows], axis=0, out=out))
            return dy

        return y, backward


class Learned(Layer):
    """y = x − μ, μ the mean over the training set: right."""

    fits = "start"

    def build(self, shape, make):
        self.mean = make.state("mean", shape)
        return shape

    def fit(self, batches, context):
        total, count = np.zeros(self.mean.value.shape), 0
        for x in batches:
            total = total + self.total(x.astype(np.float64), context)
            count += context.rows
        self.mean.value = total / count

    def total(self, x, context):
        return context.sum(x)

    def forward(self, x, context):
        mean = self.mean.value.astype(x.dtype)
        return np.subtract(x, mean, out=context.empty(x.shape, x.dtype)), lambda dy: dy


class LearnedAtTheEnd(Learned):
    """Right, too."""

    fits = "end"


class Add(Layer):
    """y = a + 2b, of two inputs: right."""

    examples = [{"input": [(3,), (3,)]}]

    def build(self, shape, make):
        first, second = shape
        assert first == second
        return first

    def forward(self, x, context):
        a, b = x
        return a + 2 * b, lambda dy: (dy, 2 * dy)


class Embedding(Layer):
    """A row of W for each whole number: right; it has no dx."""

    examples = [{"input": (3,), "range": (0, 5), "whole": True}]

    def build(self, shape, make):
        self.w = make.parameter("w", (5, 2), "glorot_uniform")
        return (*shape, 2)

    def forward(self, x, context):
        index = x.real.astype(np.int64)

        def backward(dy):
            def of(rows, out):
                out.fill(0)
                np.add.at(out, index[rows], dy[rows])

            context.gradient(self.w, of)
            return np.zeros_like(x)

        return self.w.value[index], backward
