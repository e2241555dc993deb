"""The doors through which a layer reaches what is not its own rows' business."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from dtrain.random import SampleStreams, bernoulli_from, normal_from, per_block, uniform_from

from .batch_moments import BatchMoments
from .groups import slots
from .moments import WIDE, column_sums, place_sums
from .pack import Pack
from .scratch import Scratch

if TYPE_CHECKING:
    from dtrain.parameter import Parameter, State
    from dtrain.random import Stream
    from dtrain.types import Array, GradientOf, Shape

    from .gradients import Gradients
    from .shards import Layout
    from .totals import Totals


class Context:
    """What a forward and its backward may ask of the engine. One for a network; rows change from step to step.

    training: whether parameters are being trained (batch statistics) or used.
    sampling: whether layers that draw random numbers do so: in training, and where predictions are drawn
    (Monte-Carlo dropout); then `epoch` is the number of the draw.
    step: updates done. epoch: epochs done. layer: the name of the layer at work, for messages and streams.
    alone: where ranks train by themselves, the totals over this rank's shards; in training "all rows" are then its own.
    """

    def __init__(
        self, totals: Totals, streams: SampleStreams, gradients: Gradients | None = None,
        alone: Totals | None = None,
    ) -> None:  # fmt: skip
        self.training = False
        self.sampling = False
        self.step = 0
        self.epoch = 0
        self.layer = ""
        self.layout: Layout
        self.place = 0
        self._totals = self._of_all = totals
        self._alone = alone
        self._streams = streams
        self._scratch = Scratch()
        self._draws: dict[Any, int] = {}
        self._ones: dict[tuple[int, str], Array] = {}
        self._before: list[tuple[State, Array]] = []
        self._packs: dict[Any, Pack] = {}
        self.empty = self._scratch.empty
        self._moments = BatchMoments(self.empty)
        if gradients is not None:
            self.gradient = gradients.add  # type: ignore[method-assign]  # one call less
            self.gradient_total = gradients.add_total  # type: ignore[method-assign]

    def begin(
        self,
        layout: Layout,
        *,
        training: bool,
        step: int,
        epoch: int,
        place: int,
        sampling: bool | None = None,
    ) -> None:
        """Starts a pass over these rows. place: where the global batch starts in its epoch, in samples.

        sampling: None: as `training`.
        """
        self.layout, self.training, self.step, self.epoch, self.place = layout, training, step, epoch, place
        self.sampling = training if sampling is None else sampling
        if self._alone is not None:
            self._totals = self._alone if training else self._of_all
            self.layout = layout.alone if training else layout
        self._scratch.rewind()
        if self._draws:
            self._draws.clear()

    @property
    def drew(self) -> bool:
        """Whether a layer has drawn random numbers in this pass."""
        return bool(self._draws)

    @property
    def rows(self) -> int:
        """How many rows the global batch has, over all ranks."""
        return self.layout.rows

    @property
    def shards(self) -> list[slice]:
        """This rank's shards, as slices of its rows, in order; some may be empty.

        What a part does within a shard is the same on any number of ranks; what leaves it needs a total.
        """
        return self.layout.slices

    # ------------------------------------------------------------------ totals over rows

    @overload
    def sum(self, array: Array, /, *, axes: tuple[int, ...] = (), group: int | None = None) -> Array: ...
    @overload
    def sum(
        self, *arrays: Array, axes: tuple[int, ...] = (), group: int | None = None
    ) -> tuple[Array, ...]: ...
    def sum(self, *arrays: Array, axes: tuple[int, ...] = (), group: int | None = None) -> Any:
        """Returns the sum of each array over all rows of the global batch, in its own dtype.

        arrays: (rows, …) each; one in, one out; several in, a tuple out, in one exchange.
        axes: further axes to sum over, counted in the array: (1, 2) for channels-last images.
        group: shards a group; then sums are over the rows of each group, (groups, …): see `groups`.
        A blocking collective: every rank calls it, also with no rows.
        """
        if axes:
            arrays = tuple(place_sums(array, axes) for array in arrays)
        pack = self._pack(arrays)
        partials = np.empty(pack.shape, pack.dtype)
        for array, span in zip(arrays, pack.spans, strict=True):
            self.shard_sums(array, partials[:, span])
        if group is not None:
            return pack.unpack_groups(self._totals.add(slots(partials, self._totals, group)))
        return pack.unpack(self._totals.add(partials))

    def sum_of(self, of: GradientOf, shape: Shape, dtype: Any) -> Array:
        """Returns the sum over all rows of what is no sum of an array's rows, such as xᵀ·x: of(rows, out).

        of: writes the sum over `rows`, a slice of this rank's rows (maybe empty), to `out`, of this shape and
        dtype; it is called for each local shard. The sum is scratch, as from `empty`. A blocking collective.
        """
        partials = self.empty((self.layout.shards, *shape), dtype)
        for rows, out in zip(self.layout.slices, partials, strict=True):
            of(rows, out)
        return self._totals.add(partials)

    def groups(self, group: int) -> Array:
        """Returns the number of the group of each of this rank's rows, int64 (rows,).

        group: consecutive shards of the global batch that make one; the last group may have fewer. A group may
        lie on several ranks, and which rows are in it depends on the number of shards, never on that of ranks.
        """
        shards = np.arange(self.layout.shards) + self._totals.first
        return np.repeat(shards // group, self.layout.sizes)

    def max(self, *arrays: Array, axes: tuple[int, ...] = ()) -> Any:
        """Returns the maximum of each array over all rows of the global batch; −inf where there is no row."""
        if axes:
            arrays = tuple(array.max(axis=axes, initial=-np.inf) for array in arrays)
        pack = self._pack(arrays)
        partials = np.empty(pack.shape, pack.dtype)
        for array, span in zip(arrays, pack.spans, strict=True):
            flat = array.reshape(array.shape[0], span.stop - span.start)
            for i, rows in enumerate(self.layout.slices):
                np.maximum.reduce(flat[rows], axis=0, out=partials[i, span], initial=-np.inf)
        return pack.unpack(self._totals.max(partials))

    @overload
    def moments(self, x: Array, axes: tuple[int, ...] = ()) -> tuple[int, Array, Array]: ...
    @overload
    def moments(
        self, x: Array, axes: tuple[int, ...] = (), group: int = ...
    ) -> tuple[Array, Array, Array]: ...
    def moments(self, x: Array, axes: tuple[int, ...] = (), group: int | None = None) -> Any:
        """Returns the count, mean and (biased) variance of x over all rows of the global batch.

        x: (rows, …). axes: further axes to average over, the first ones after the rows: (1, 2) for
        channels-last images. count: an int, the true number. mean, variance: float64, the remaining shape.
        Stable for any mean/std: each shard sends its sum and its squares about a centre of its own, brought
        to zero one width up (float64 for float32, extended for float64); of float64 with a mean of more than 2,000
        deviations the squares about it are sent, in a second exchange. Of float32, numbers beyond 1e-19 have a
        variance; of float64, numbers from 1e-150 to 1e150.
        group: shards a group; then all three are of each group: count is int64 (groups,), mean and variance
        are (groups, …), 0 where a group has no row; see `groups`.
        """
        per_row, shape, flat = 1, x.shape[1:], x
        if x.ndim != 2 or axes:
            if axes != tuple(range(1, 1 + len(axes))):
                raise ValueError(f"moments: axes must be (1, …, k), next to the rows; got {axes}")
            per_row, shape = prod(x.shape[1 : 1 + len(axes)]), x.shape[1 + len(axes) :]
            flat = x.reshape(x.shape[0] * per_row, prod(shape))
        if group is not None:
            counts, mean, variance = self._moments.of_groups(flat, per_row, group, self.layout, self._totals)
            shape = (len(counts), *shape)
            return counts, mean.reshape(shape), variance.reshape(shape)
        count, mean, variance = self._moments.of_all(flat, per_row, self.layout, self._totals)
        if len(shape) == 1:
            return count, mean, variance
        return count, mean.reshape(shape), variance.reshape(shape)

    def _ones_of(self, n: int, dtype: np.dtype[Any]) -> Array:
        ones = self._ones.get((n, dtype.char))
        if ones is None:
            ones = self._ones[n, dtype.char] = np.ones(n, dtype)
        return ones

    def shard_sums(self, array: Array, out: Array) -> None:
        """Writes the sums over each local shard's rows: (rows, …) → out (local shards, width). No exchange."""
        dtype = array.dtype
        ones = self.layout.ones.get(dtype.char)
        if ones is not None and array.ndim == 2 and out.dtype == dtype:
            ones.dot(array, out[0])
            return
        flat = array if array.ndim == 2 else array.reshape(array.shape[0], out.shape[1])
        if dtype.char not in WIDE or dtype.char == "e":
            for i, rows in enumerate(self.layout.slices):
                np.add.reduce(flat[rows], axis=0, out=out[i])
            return
        for first, shards, row, size in self.layout.groups:
            to = out[first : first + shards]
            if size == 0:
                to.fill(0)
                continue
            block, weights = flat[row : row + shards * size], self._ones_of(size, dtype)
            if to.dtype == dtype:
                column_sums(weights, block, shards, to)
            else:
                sums = np.empty(to.shape, dtype)
                column_sums(weights, block, shards, sums)
                to[...] = sums

    def _pack(self, arrays: tuple[Array, ...]) -> Pack:
        key = tuple([(array.shape, array.dtype.char) for array in arrays])
        pack = self._packs.get(key)
        if pack is None:
            pack = self._packs[key] = Pack(arrays, self.layout.shards)
        return pack

    # ------------------------------------------------------------------ rows × matrix, gradients

    def matmul(self, x: Array, w: Array, out: Array | None = None) -> Array:
        """Returns x·w, shard by shard: the bits of a row do not depend on the ranks' share of the batch.

        x: (rows, …, n). w: (n, m). Returns (rows, …, m): `out`, C-contiguous and of the product's dtype, or
        scratch of the context.
        """
        layout = self.layout
        if layout.shards == 1 and x.ndim == 2 and min(x.shape) > 1:  # else dot's bits are not matmul's
            return x.dot(w, self.empty((x.shape[0], w.shape[1]), x.dtype) if out is None else out)
        if out is None:
            out = self.empty((*x.shape[:-1], w.shape[1]), np.result_type(x, w))
        per_row = prod(x.shape[1:-1])
        x2, out2 = x.reshape(-1, x.shape[-1]), out.reshape(-1, out.shape[-1])
        for _, shards, row, size in layout.groups:
            rows = slice(row * per_row, (row + shards * size) * per_row)
            if shards == 1:
                np.matmul(x2[rows], w, out2[rows])
            else:
                block = (shards, size * per_row)
                np.matmul(x2[rows].reshape(*block, x2.shape[1]), w, out2[rows].reshape(*block, out2.shape[1]))
        return out

    def gradient(self, parameter: Parameter, of: GradientOf) -> None:
        """Takes in the gradient of a parameter: calls of(rows, out) for each local shard and adds the results.

        of: writes the gradient of the plain sum over `rows`, a slice of this rank's rows (maybe empty), to
        `out`, of the parameter's shape. Several calls for one parameter in a step add up.
        """
        raise RuntimeError(f"layer {self.layer!r} asked for a gradient outside of training")

    def gradient_total(self, parameter: Parameter, total: Array) -> None:
        """Takes in the gradient of a parameter that is a total over all rows already, from `sum`, on all ranks.

        It counts once. For statistics whose backward needs the same sums: γ and β of a batch norm.
        """
        raise RuntimeError(f"layer {self.layer!r} asked for a gradient outside of training")

    # ------------------------------------------------------------------ state

    def update(self, state: State, value: Array) -> None:
        """Gives a state (a running statistic) a new value, of its shape, the same on all ranks.

        It holds from now on, and is taken back when the step turns out not to be finite. A rank that trains by itself
        keeps the old one after a batch of which it has no row.
        """
        if not self.training:
            raise RuntimeError(f"layer {self.layer!r} changes state {state.name!r} outside of training")
        if not self.layout.rows:
            return
        self._before.append((state, state.value))
        state.value = value

    def commit(self) -> None:
        """Keeps the updates of states since the last commit."""
        self._before.clear()

    def set_aside(self) -> list[tuple[State, Array]]:
        """Takes back the updates of states since the last commit, and returns them, to be made later."""
        after = [(state, state.value) for state, _ in self._before]
        self.rollback()
        return after

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
        kept = bernoulli_from(self._words(shape, 8), probability)
        return kept[:, : prod(shape[1:])].reshape(shape)

    def stream(self, name: str) -> Stream:
        """Returns random numbers that belong to the batch, not to its rows: the same on all ranks and shards.

        They are others for every (micro-)batch, epoch, layer, name and seed, and in inference; a second stream
        of one name in a pass is another one. For what all rows share, such as a mask on weights.
        """
        key = self.layer, name
        draw = self._draws.get(key, 0)
        self._draws[key] = draw + 1
        stage = 0 if self.training else 1
        return self._streams.of_batch(f"{self.layer}/{stage}/{name}", draw, self.epoch, self.place)

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
