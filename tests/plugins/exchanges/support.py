"""Ranks without a network: gradients and values that are given, and what an exchange makes of them."""

from __future__ import annotations

import numpy as np

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.engine.apart import Apart
from dtrain.engine.buckets import Buckets
from dtrain.parameter import FlatLayout, Parameter
from tests.support import Constant


def layout_of(n):
    return FlatLayout([Parameter("p", (n,), "weight", Constant(0), (1, 1))], 1024)


def totals(make, gradients):
    """What steps leave on each rank: (totals (steps, n), slots by name, bytes sent).

    make() → the exchange. gradients: (steps, ranks, n), n a multiple of 1024; each rank has one shard.
    """
    steps, ranks, n = gradients.shape

    def rank(communicator):
        counting, done = CountingCommunicator(communicator), [0]
        ranges = [(r, r + 1) for r in range(ranks)]
        exchange = Buckets(
            layout_of(n), ranks, ranges, counting, gradients.dtype, make(), lambda: done[0] + 1
        )
        found = []
        counting.reset()
        for step in range(steps):
            exchange.nodes[0][:] = gradients[step, communicator.rank]
            total, finite = exchange.reduce(1.0)
            assert finite
            exchange.publish()
            found.append(total.copy())
            done[0] += 1
        return np.array(found), dict(exchange.slots), counting.bytes["begin"]

    return run_ranks(ranks, rank, share_memory=False)


def meetings(make, moves, start):
    """The values of each rank after each meeting: (meetings, n), and the slots.

    moves: (meetings, ranks, n), by how much each rank's values have changed before. start: (n,).
    """

    def rank(communicator):
        exchange = Apart(layout_of(len(start)), communicator, start.dtype, make(), lambda: 1)
        exchange.values[:] = start
        found = []
        for move in moves:
            exchange.reduce(1.0)
            exchange.values[:] += move[communicator.rank]
            exchange.meet([])
            found.append(exchange.values.copy())
        return np.array(found), dict(exchange.slots)

    return run_ranks(moves.shape[1], rank, share_memory=False)
