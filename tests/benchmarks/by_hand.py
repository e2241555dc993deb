"""One training step written out by hand in NumPy over MPI: what the engine's convenience is measured against.

    export OPENBLAS_NUM_THREADS=1
    python tests/benchmarks/by_hand.py small                            # one process
    mpirun -n 2 python -m mpi4py tests/benchmarks/by_hand.py small      # two ranks
    mpirun -n 2 python -m mpi4py tests/benchmarks/by_hand.py --check    # against a slow float64 version

Nothing here is general: the net's shape, the equal share of every rank, Adam. All that a step needs is
allocated once; parameters and gradients each lie in one array; a hidden layer costs one exchange forward
and one backward, the gradient one more. The formulations are the fastest of those tried: `ones.dot(x)` for
column sums, relu by a mask of floats that backward uses again, `take(…, mode="clip")` for rows, 0-d arrays
for scalars, pieces of 64 K floats in the optimizer.
"""

from __future__ import annotations

import argparse
import json
import os
from itertools import pairwise
from time import perf_counter
from typing import Any

import nets
import numpy as np

add, subtract, multiply, divide = np.add, np.subtract, np.multiply, np.divide


class Alone:
    """The communicator of one process."""

    rank, size = 0, 1

    def Allreduce(self, send: Any, receive: Any) -> None: ...  # noqa: N802
    def Allgather(self, send: Any, receive: Any) -> None: ...  # noqa: N802
    def Barrier(self) -> None: ...  # noqa: N802


IN_PLACE: Any = None


def world() -> Any:
    """MPI's world under a launcher, else one process without MPI."""
    global IN_PLACE
    if not {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"} & os.environ.keys():
        return Alone()
    from mpi4py import MPI

    IN_PLACE = MPI.IN_PLACE
    return MPI.COMM_WORLD


class Hidden:
    """dense → batch norm over all ranks' rows → relu.   x: (rows, n_in) → y: (rows, units)

    A rank takes its rows' mean m in the arrays' dtype, centres on it, and sends (m, Σc, Σc²) with c = x − m.
    Merged in float64, about the mean of all: Σ(x−μ)² = Σᵣ [Σc² − (Σc)²/n + n(m + Σc/n − μ)²], which takes no
    difference of large numbers (Chan, Golub & LeVeque, 1983). Counts are not sent: ranks' shares are equal.
    """

    def __init__(self, weight, gamma, beta, gradients, rows: int, world: Any) -> None:
        dtype, (n_in, units), size = weight.dtype, weight.shape, world.size
        self.weight, self.gamma, self.beta = weight, gamma, beta
        self.d_weight, self.d_gamma, self.d_beta = gradients
        self.world, total = world, rows * size
        self.h, self.y, self.t, self.mask = (np.empty((rows, units), dtype) for _ in range(4))
        self.positive, self.dx = np.empty((rows, units), bool), np.empty((rows, n_in), dtype)
        self.ones, self.mean_of = np.ones(rows, dtype), np.full(rows, 1 / rows, dtype)
        self.gathered = np.empty((size, 3, units), dtype)  # m, Σc, Σc² of each rank
        self.mine = self.gathered[world.rank]
        self.merged = np.empty((size, 3, units))
        self.means, self.firsts, self.both = self.merged[:, 0], self.merged[:, 1], self.merged[:, :2]
        self.lines = self.merged.reshape(-1, units)
        self.per_rank, self.weights = np.full(size, 1 / size), np.tile([1 / size, -1 / size, 1 / total], size)
        self.batch, self.two = (
            np.empty((2, units)),
            np.empty((2, units)),
        )  # mean, variance of the global batch
        self.running = np.stack([np.zeros(units), np.ones(units)])
        self.fresh = np.full((units, 2), [nets.MOMENTUM, nets.MOMENTUM * total / (total - 1)]).T.copy()
        self.inverse, self.offset, self.wide, self.k, self.d = (np.empty(units) for _ in range(5))
        self.scale, self.shift, self.k_narrow, self.d_narrow = (np.empty(units, dtype) for _ in range(4))
        self.totals = np.empty(2 * units + 2)  # Σdy, Σdy·x̂, and for the last layer the loss and the hits
        self.sums, self.local = self.totals[:-2].reshape(2, units), np.empty((2, units), dtype)
        self.inverse_rows, self.inverse_total = np.array(1 / rows), np.array(-1 / total)
        self.zero, self.epsilon, self.one = np.zeros((), dtype), np.array(nets.EPSILON), np.array(1.0)
        self.keep = np.array(1 - nets.MOMENTUM)

    def forward(self, x):
        self.x, h, t, y, mask = x, self.h, self.t, self.y, self.mask
        mean, first, second = self.mine
        x.dot(self.weight, h)
        self.mean_of.dot(h, mean)
        subtract(h, mean, h)
        self.ones.dot(h, first)
        np.square(h, t)
        self.ones.dot(t, second)
        self.moments()
        multiply(h, self.scale, y)
        add(y, self.shift, y)
        np.greater(y, self.zero, self.positive)
        np.copyto(mask, self.positive)
        return multiply(y, mask, y)

    def moments(self) -> None:
        """Merge the ranks' moments into scale and shift of this step, and into the running statistics."""
        means, firsts, inverse, offset, wide = self.means, self.firsts, self.inverse, self.offset, self.wide
        mean, variance = self.batch
        self.world.Allgather(IN_PLACE, self.gathered)
        np.copyto(self.merged, self.gathered)
        multiply(firsts, self.inverse_rows, firsts)
        add(means, firsts, means)
        self.per_rank.dot(means, mean)
        subtract(mean, self.mine[0], offset)
        subtract(means, mean, means)
        multiply(self.both, self.both, self.both)
        self.weights.dot(self.lines, variance)
        add(variance, self.epsilon, inverse)
        np.sqrt(inverse, inverse)
        divide(self.one, inverse, inverse)
        multiply(inverse, self.gamma, wide)
        np.copyto(self.scale, wide, "same_kind")
        multiply(wide, offset, self.d)
        np.copyto(self.shift, self.d, "same_kind")
        subtract(self.beta, self.shift, self.shift)
        multiply(self.running, self.keep, self.running)
        multiply(self.batch, self.fresh, self.two)
        add(self.running, self.two, self.running)

    def backward(self, dy, first: bool):
        """dx = scale·(dy − Σdy/n − x̂·Σ(dy·x̂)/n), as scale·dy + k·c + d."""
        h, t, (sum_dy, sum_dy_c) = self.h, self.t, self.local
        multiply(dy, self.mask, dy)
        self.ones.dot(dy, sum_dy)
        multiply(dy, h, t)
        self.ones.dot(t, sum_dy_c)
        self.exchange()
        multiply(h, self.k_narrow, h)
        add(h, self.d_narrow, h)
        multiply(dy, self.scale, dy)
        add(h, dy, h)
        self.x.T.dot(h, self.d_weight)
        return None if first else h.dot(self.weight.T, self.dx)

    def exchange(self) -> None:
        """Total Σdy and Σdy·x̂ over the ranks: they are the gradients of beta and gamma, and give k and d."""
        (sum_dy, sum_dy_x_hat), k, d = self.sums, self.k, self.d
        np.copyto(self.sums, self.local)
        multiply(self.offset, sum_dy, d)
        subtract(sum_dy_x_hat, d, sum_dy_x_hat)
        multiply(sum_dy_x_hat, self.inverse, sum_dy_x_hat)
        self.world.Allreduce(IN_PLACE, self.totals)
        np.copyto(self.d_beta, sum_dy, "same_kind")
        np.copyto(self.d_gamma, sum_dy_x_hat, "same_kind")
        multiply(self.wide, self.inverse_total, self.wide)
        multiply(sum_dy_x_hat, self.inverse, k)
        multiply(k, self.wide, k)
        multiply(k, self.offset, d)
        multiply(sum_dy, self.wide, sum_dy)
        subtract(sum_dy, d, d)
        np.copyto(self.k_narrow, k, "same_kind")
        np.copyto(self.d_narrow, d, "same_kind")


class Output:
    """dense with bias, then softmax cross entropy.   x: (rows, n_in), target (rows,) → loss sum, hits, dx"""

    def __init__(self, weight, bias, gradients, rows: int, total: int) -> None:
        dtype, (n_in, classes) = weight.dtype, weight.shape
        self.weight, self.bias = weight, bias
        self.d_weight, self.d_bias = gradients
        self.z, self.e = np.empty((rows, classes), dtype), np.empty((rows, classes), dtype)
        self.e_flat = self.e.reshape(-1)
        self.top, self.sum = np.empty((rows, 1), dtype), np.empty((rows, 1), dtype)
        self.picked = np.empty(rows, dtype)
        self.base = np.arange(0, rows * classes, classes)
        self.best, self.at, self.hit = np.empty(rows, np.intp), np.empty(rows, np.intp), np.empty(rows, bool)
        self.ones, self.ones_classes = np.ones(rows, dtype), np.ones(classes, dtype)
        self.one, self.inverse_total = np.ones((), dtype), np.array(1 / total, dtype)
        self.dx = np.empty((rows, n_in), dtype)

    def step(self, x, target):
        z, e, at = self.z, self.e, self.at
        x.dot(self.weight, z)
        add(z, self.bias, z)
        z.argmax(1, self.best)  # the largest logit and the answer, in one pass
        hits = np.count_nonzero(np.equal(self.best, target, self.hit))
        add(self.best, self.base, at)
        z.take(at, None, self.top[:, 0], "clip")
        subtract(z, self.top, z)
        np.exp(z, e)
        e.dot(self.ones_classes, self.sum[:, 0])
        add(target, self.base, at)
        z.take(at, None, self.picked, "clip")
        divide(e, self.sum, e)
        np.log(self.sum, self.sum)
        loss = self.sum[:, 0].dot(self.ones) - self.picked.dot(self.ones)
        self.e_flat[at] -= self.one
        multiply(e, self.inverse_total, e)
        self.ones.dot(e, self.d_bias)
        x.T.dot(e, self.d_weight)
        return loss, hits, e.dot(self.weight.T, self.dx)


class Adam:
    """p ← p − lr·m̂/(√v̂ + ε) (Kingma & Ba, 2015), in place, in pieces that stay in cache.

    The slots are M = m/(1−β₁) and V = v/(1−β₂), which saves two of twelve passes; ε and lr carry the rest.
    """

    def __init__(
        self, value, gradient, lr=nets.LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8, piece=1 << 16
    ) -> None:
        dtype = value.dtype
        self.lr, self.betas, self.eps, self.count = lr, betas, eps, 0
        self.step_size, self.epsilon = np.empty((), dtype), np.empty((), dtype)
        self.beta_1, self.beta_2 = np.array(betas[0], dtype), np.array(betas[1], dtype)
        arrays = value, gradient, np.zeros_like(value), np.zeros_like(value)
        t = np.empty(piece, dtype)
        cuts = [slice(start, min(start + piece, value.size)) for start in range(0, value.size, piece)]
        self.pieces = [(*(array[cut] for array in arrays), t[: cut.stop - cut.start]) for cut in cuts]

    def step(self) -> None:
        (b_1, b_2), beta_1, beta_2, epsilon, size = (
            self.betas,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            self.step_size,
        )
        self.count += 1
        c = ((1 - b_2) / (1 - b_2**self.count)) ** 0.5
        epsilon[()] = self.eps / c
        size[()] = self.lr * (1 - b_1) / ((1 - b_1**self.count) * c)
        for p, g, m, v, t in self.pieces:
            multiply(m, beta_1, m)
            add(m, g, m)
            multiply(g, g, t)
            multiply(v, beta_2, v)
            add(v, t, v)
            np.sqrt(v, t)
            add(t, epsilon, t)
            divide(m, t, t)
            multiply(t, size, t)
            subtract(p, t, p)


class Network:
    """Parameters and gradients each in one array: what is to be summed, then what already is."""

    def __init__(self, net: nets.Net, world: Any, dtype=np.float32, seed: int = 0) -> None:
        self.world, self.rows = world, net.batch // world.size
        widths = (net.inputs, *net.hidden, net.classes)
        shapes = [*pairwise(widths), (net.classes,)]
        shared = sum(int(np.prod(shape)) for shape in shapes)
        shapes += [(units,) for units in net.hidden for _ in range(2)]
        size = sum(int(np.prod(shape)) for shape in shapes)
        self.value, self.gradient = np.zeros(size, dtype), np.zeros(size, dtype)
        self.exchanged = self.gradient[:shared]
        values, gradients = self.views(self.value, shapes), self.views(self.gradient, shapes)
        self.initialize(values, len(net.hidden), seed)
        depth = len(net.hidden)
        norms = range(depth + 2, len(shapes), 2)
        self.hidden = [
            Hidden(
                values[i],
                values[j],
                values[j + 1],
                (gradients[i], gradients[j], gradients[j + 1]),
                self.rows,
                world,
            )
            for i, j in zip(range(depth), norms, strict=True)
        ]
        self.output = Output(*values[depth : depth + 2], gradients[depth : depth + 2], self.rows, net.batch)
        self.adam = Adam(self.value, self.gradient)
        self.x, self.target = np.empty((self.rows, net.inputs), dtype), np.empty(self.rows, np.int64)
        self.loss, self.hits = 0.0, 0.0

    @staticmethod
    def views(flat, shapes):
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        return [
            flat[end - int(np.prod(shape)) : end].reshape(shape)
            for end, shape in zip(ends, shapes, strict=True)
        ]

    @staticmethod
    def initialize(values, depth: int, seed: int) -> None:
        """glorot_uniform weights, gammas 1, all else 0."""
        random = np.random.default_rng(seed)
        for weight in values[: depth + 1]:
            limit = (6 / sum(weight.shape)) ** 0.5
            weight[...] = random.uniform(-limit, limit, weight.shape)
        for gamma in values[depth + 2 :: 2]:
            gamma[...] = 1

    def step(self, x, target, index) -> None:
        """One step on the rows `index` of this rank; adds to the running loss and hits of all ranks."""
        x.take(index, 0, self.x, "clip")
        target.take(index, 0, self.target, "clip")
        y = self.x
        for layer in self.hidden:
            y = layer.forward(y)
        totals = layer.totals
        totals[-2], totals[-1], dy = self.output.step(y, self.target)
        for layer in reversed(self.hidden):
            dy = layer.backward(dy, layer is self.hidden[0])
        self.loss += totals[-2]
        self.hits += totals[-1]
        self.world.Allreduce(IN_PLACE, self.exchanged)
        norm = self.gradient.dot(self.gradient)
        if not np.isfinite(norm) and not np.isfinite(self.gradient).all():  # a large norm may overflow alone
            raise FloatingPointError("the gradient is not finite")
        self.adam.step()


def run(net: nets.Net, world: Any) -> dict[str, Any]:
    """Train; the median time of a step on this rank, and the last epoch's loss and accuracy."""
    network, (x, target), seconds = Network(net, world), nets.data(net), []
    for epoch in range(net.epochs):
        order = nets.order(net, epoch)
        network.loss = network.hits = 0.0
        world.Barrier()
        for start in range(world.rank * network.rows, order.size, net.batch):
            begin = perf_counter()
            network.step(x, target, order[start : start + network.rows])
            seconds.append(perf_counter() - begin)
    return {
        "version": f"NumPy {np.__version__}",
        "step_seconds": float(np.median(seconds)),
        "loss": network.loss / order.size,
        "accuracy": network.hits / order.size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", nargs="?", choices=nets.DENSE, default="small")
    parser.add_argument(
        "--check", action="store_true", help="compare with a slow float64 version instead of timing"
    )
    arguments, communicator = parser.parse_args(), world()
    if arguments.check:
        from by_hand_check import check

        result: Any = check(communicator)
    else:
        result = run(nets.NETS[arguments.net], communicator)
    if communicator.rank == 0:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
