"""The doors through which a layer reaches what is not its own rows' business."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from dtrain.random import SampleStreams, normal_from, per_block, uniform_from

from .scratch import Scratch

if TYPE_CHECKING:
    from dtrain.parameter import Parameter, State
    from dtrain.types import Array, GradientOf, Shape

    from .gradients import Gradients
    from .shards import Layout
    from .totals import Totals


class Context:
    """What a forward and its backward may ask of the engine. One for a network; rows change from step to step.

    training: whether parameters are being trained (batch statistics, dropout) or used.
    step: updates done. epoch: epochs done. layer: the name of the layer at work, for messages and streams.
    """

    def __init__(self, totals: Totals, streams: SampleStreams, gradients: Gradients | None = None) -> None:
        self.training = False
        self.step = 0
        self.epoch = 0
        self.layer = ""
        self.layout: Layout
        self.place = 0
        self._totals = totals
        self._streams = streams
        self._gradients = gradients
        self._scratch = Scratch()
        self._draws: dict[str, int] = {}
        self._ones: dict[tuple[int, Any], Array] = {}
        self._before: list[tuple[State, Array]] = []
        self._packs: dict[Any, tuple[Array, list[Array]]] = {}
        self.empty = self._scratch.empty

    def begin(self, layout: Layout, *, training: bool, step: int, epoch: int, place: int) -> None:
        """Starts a pass over these rows. place: where the global batch starts in its epoch, in samples."""
        self.layout, self.training, self.step, self.epoch, self.place = layout, training, step, epoch, place
        self._scratch.rewind()
        if self._draws:
            self._draws.clear()

    @property
    def rows(self) -> int:
        """How many rows the global batch has, over all ranks."""
        return self.layout.rows

    # ------------------------------------------------------------------ totals over rows

    @overload
    def sum(self, array: Array, /, *, axes: tuple[int, ...] = ()) -> Array: ...
    @overload
    def sum(self, *arrays: Array, axes: tuple[int, ...] = ()) -> tuple[Array, ...]: ...
    def sum(self, *arrays: Array, axes: tuple[int, ...] = ()) -> Any:
        """Returns the sum of each array over all rows of the global batch, in its own dtype.

        arrays: (rows, …) each; one in, one out; several in, a tuple out, in one exchange.
        axes: further axes to sum over, counted in the array: (1, 2) for channels-last images.
        A blocking collective: every rank calls it, also with no rows.
        """
        arrays = tuple(_sum_axes(a, axes) for a in arrays) if axes else arrays
        dtype = arrays[0].dtype if len(arrays) == 1 else np.result_type(*arrays)
        pack, parts = self._pack("sum", [a.shape[1:] for a in arrays], dtype)
        for array, part in zip(arrays, parts, strict=True):
            self._shard_sums(array, part)
        outs = self._unpack(self._totals.add(pack), arrays)
        return outs[0] if len(arrays) == 1 else tuple(outs)

    def max(self, *arrays: Array, axes: tuple[int, ...] = ()) -> Any:
        """Returns the maximum of each array over all rows of the global batch; −inf where there is no row."""
        dtype = np.result_type(*arrays)
        flat = [a.max(axis=axes, initial=-np.inf) if axes else a for a in arrays]
        pack, parts = self._pack("max", [a.shape[1:] for a in flat], dtype)
        for array, part in zip(flat, parts, strict=True):
            rows = array.reshape(array.shape[0], part.shape[1])
            for i, shard in enumerate(self.layout.slices):
                np.maximum.reduce(rows[shard], axis=0, out=part[i], initial=-np.inf)
        outs = self._unpack(self._totals.max(pack), flat)
        return outs[0] if len(arrays) == 1 else tuple(outs)

    def moments(self, x: Array, axes: tuple[int, ...] = ()) -> tuple[int, Array, Array]:
        """Returns the count, mean and (biased) variance of x over all rows of the global batch.

        x: (rows, …). axes: further axes to average over, the first ones after the rows: (1, 2) for
        channels-last images. count: an int, the true number. mean, variance: float64, the remaining shape.
        Stable for any mean/std: each shard sends its mean and its squares about a centre of its own.
        """
        per_row = prod(x.shape[1 : 1 + len(axes)])
        if axes != tuple(range(1, 1 + len(axes))):
            raise ValueError(f"moments: axes must be (1, …, k), next to the rows; got {axes}")
        shape = x.shape[1 + len(axes) :]
        width = prod(shape)
        wide = _WIDE[x.dtype]
        pack, (means, squares) = self._pack("moments", [(width,), (width,)], wide)
        flat = x.reshape(-1, width) if width else x.reshape(x.shape[0] * per_row, 0)
        for first, shards, row, size in self.layout.groups:
            n = size * per_row
            block = flat[row * per_row : (row + shards * size) * per_row].reshape(shards, n, width)
            self._shard_moments(block, n, means[first : first + shards], squares[first : first + shards])
        total = self._totals.add(pack)
        count = self.layout.rows * per_row
        mean = total[:width] / max(count, 1)
        variance = total[width:] / max(count, 1) - mean * mean
        narrow: Any = np.complex128
        if mean.dtype.kind == "f":
            narrow = np.float64
            np.maximum(variance, 0, out=variance)
        return count, mean.astype(narrow).reshape(shape), variance.astype(narrow).reshape(shape)

    def shard_sums(self, columns: Array) -> Array:
        """Returns the sums of each local shard's rows: (rows, k) → (local shards, k). No exchange."""
        sums = np.empty((len(self.layout.slices), columns.shape[1]), columns.dtype)
        self._shard_sums(columns, sums)
        return sums

    def _shard_moments(self, x: Array, n: int, means: Array, squares: Array) -> None:
        """Writes n·mean and Σx² about zero, of each shard of x: (shards, n, width), with wide accumulators."""
        if not n:
            means.fill(0)
            squares.fill(0)
            return
        ones = self._ones_of(n, x.dtype)
        centre = np.matmul(ones, x)
        centre *= x.dtype.type(1 / n)
        d = np.subtract(x, centre, out=self.empty(x.shape, x.dtype))
        first = np.matmul(ones, d)[:, 0].astype(means.dtype)
        second = np.matmul(ones, np.multiply(d, d, out=d))[:, 0]
        c = centre[:, 0].astype(means.dtype)
        nc = n * c
        np.add(nc, first, out=means)
        np.add(c * (nc + 2 * first), second, out=squares)

    def _shard_sums(self, array: Array, out: Array) -> None:
        """Writes the sum over each local shard's rows into out: (local shards, width)."""
        flat = array.reshape(array.shape[0], out.shape[1])
        if flat.dtype.kind not in "fc":
            for i, rows in enumerate(self.layout.slices):
                np.add.reduce(flat[rows], axis=0, out=out[i])
            return
        for first, shards, row, size in self.layout.groups:
            if size:
                block = flat[row : row + shards * size].reshape(shards, size, out.shape[1])
                np.matmul(self._ones_of(size, flat.dtype), block, out=out[first : first + shards, None])
            else:
                out[first : first + shards] = 0

    def _ones_of(self, n: int, dtype: Any) -> Array:
        ones = self._ones.get((n, dtype))
        if ones is None:
            ones = self._ones[n, dtype] = np.ones((1, n), dtype)
        return ones

    def _pack(self, name: str, shapes: list[Shape], dtype: Any) -> tuple[Array, list[Array]]:
        """Returns one row a local shard, and views of it, (local shards, width) for each shape."""
        key = (name, *shapes, dtype)
        found = self._packs.get(key)
        if found is None:
            widths = [prod(shape) for shape in shapes]
            pack = np.zeros((len(self.layout.slices), sum(widths)), dtype)
            cuts = np.cumsum([0, *widths])
            parts = [pack[:, a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
            found = self._packs[key] = (pack, parts)
        return found

    def _unpack(self, total: Array, arrays: Any) -> list[Array]:
        outs, at = [], 0
        total = total.copy()
        for array in arrays:
            width = prod(array.shape[1:])
            out = total[at : at + width].reshape(array.shape[1:])
            outs.append(out if out.dtype == array.dtype else out.astype(array.dtype))
            at += width
        return outs

    # ------------------------------------------------------------------ rows × matrix, gradients

    def matmul(self, x: Array, w: Array) -> Array:
        """Returns x·w, shard by shard: the bits of a row do not depend on the ranks' share of the batch.

        x: (rows, …, n). w: (n, m). Returns (rows, …, m), scratch of the context.
        """
        out = self.empty((*x.shape[:-1], w.shape[1]), np.result_type(x, w))
        per_row = prod(x.shape[1:-1])
        x2, out2 = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
        for _, shards, row, size in self.layout.groups:
            rows = slice(row * per_row, (row + shards * size) * per_row)
            if shards == 1:
                np.matmul(x2[rows], w, out=out2[rows])
            else:
                n = size * per_row
                block = x2[rows].reshape(shards, n, x2.shape[1])
                np.matmul(block, w, out=out2[rows].reshape(shards, n, out2.shape[1]))
        return out

    def gradient(self, parameter: Parameter, of: GradientOf) -> None:
        """Takes in the gradient of a parameter: calls of(rows, out) for each local shard and adds the results.

        of: writes the gradient of the plain sum over `rows`, a slice of this rank's rows (maybe empty), to
        `out`, of the parameter's shape. Several calls for one parameter in a step add up.
        """
        if self._gradients is None:
            raise RuntimeError(f"layer {self.layer!r} asked for a gradient outside of training")
        self._gradients.add(parameter, of)

    # ------------------------------------------------------------------ state

    def update(self, state: State, value: Array) -> None:
        """Gives a state (a running statistic) a new value, of its shape, the same on all ranks.

        It holds from now on, and is taken back when the step turns out not to be finite.
        """
        if not self.training:
            raise RuntimeError(f"layer {self.layer!r} changes state {state.name!r} outside of training")
        self._before.append((state, state.value))
        state.value = value

    def commit(self) -> None:
        """Keeps the updates of states since the last commit."""
        self._before.clear()

    def rollback(self) -> None:
        """Takes back the updates of states since the last commit."""
        for state, value in reversed(self._before):
            state.value = value
        self._before.clear()

    # ------------------------------------------------------------------ randomness

    def uniform(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """Returns numbers of (0, 1) for these rows: the same for a sample wherever it is computed.

        shape: (rows, …).
        """
        return self._sample_words(shape, np.dtype(dtype), uniform_from)

    def normal(self, shape: Shape, dtype: Any = np.float32) -> Array:
        """Returns numbers of the standard normal distribution for these rows. shape: (rows, …)."""
        return self._sample_words(shape, np.dtype(dtype), normal_from)

    def bernoulli(self, shape: Shape, probability: float) -> Array:
        """Returns True with this probability (to 2⁻³²), for these rows. shape: (rows, …)."""
        words = self._words(shape, 8).view(np.uint32)
        threshold = round(probability * 2**32)
        kept = words < np.uint32(min(threshold, 2**32 - 1))
        if threshold >= 2**32:
            kept.fill(True)
        return kept[:, : prod(shape[1:])].reshape(shape)

    def _sample_words(self, shape: Shape, dtype: np.dtype[Any], to: Any) -> Array:
        words = self._words(shape, per_block(dtype))
        numbers: Array = to(words.reshape(-1), dtype).reshape(shape[0], words.shape[1] * 8 // dtype.itemsize)
        return np.ascontiguousarray(numbers[:, : prod(shape[1:])]).reshape(shape)

    def _words(self, shape: Shape, per_block: int) -> Array:
        if shape[0] != self.layout.local:
            raise ValueError(
                f"random numbers belong to rows: expected a shape that starts with {self.layout.local}, got {shape}"
            )
        draw = self._draws.get(self.layer, 0)
        self._draws[self.layer] = draw + 1
        blocks = -(-prod(shape[1:]) // per_block)
        first = self.place + self.layout.start
        stage = 0 if self.training else 1
        words = self._streams.words(f"{self.layer}/{stage}", draw, shape[0], blocks, first, self.epoch)
        return words.reshape(shape[0], blocks * 4)


_WIDE = {
    np.dtype(np.float16): np.dtype(np.float64),
    np.dtype(np.float32): np.dtype(np.float64),
    np.dtype(np.float64): np.dtype(np.longdouble),
    np.dtype(np.complex64): np.dtype(np.complex128),
    np.dtype(np.complex128): np.dtype(np.clongdouble),
}
"""Sums of squares about zero lose (mean/std)² of their precision: they are held one width up."""


def _sum_axes(array: Array, axes: tuple[int, ...]) -> Array:
    return array.sum(axis=axes)
