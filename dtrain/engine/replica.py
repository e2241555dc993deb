"""One rank's copy of a network, with what it shares with the others."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtrain import contracts
from dtrain.communicator.serial import SerialCommunicator
from dtrain.parameter import FlatLayout, digest
from dtrain.random import SampleStreams, Stream

from .apart import Apart
from .buckets import Buckets
from .context import Context
from .departing import Departing
from .exchange import Exchange, make_exchange
from .gradients import Gradients
from .inference import InferenceContext
from .probe import probe
from .products import RowProducts
from .shards import rank_ranges
from .totals import Totals

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

    from .network import Network

BLOCK = 1024
"""Flat arrays are cut over ranks, and norms over parameters added up, in blocks of this many elements."""


class Replica:
    """A network placed in flat arrays that the communicator allocated, ready to run on this rank's shards.

    seed: of initial values and per-sample streams. exchange: the part that says how gradients or values meet; None:
    the exact one. warnings: what the trial pass found.
    """

    def __init__(
        self, network: Network, communicator: Communicator, shards: int, seed: int,
        exchange: contracts.Exchange | None = None,
    ) -> None:  # fmt: skip
        self.network, self.communicator, self.shards, self.seed = network, communicator, shards, seed
        self.ranges = rank_ranges(shards, communicator.size)
        self.first, self.last = self.ranges[communicator.rank]
        self.warnings = probe(network)
        self.layout = FlatLayout(network.parameters, BLOCK)
        self.exchange = self._make_exchange(exchange or contracts.Exchange())
        self.among: Communicator = SerialCommunicator() if self.exchange.whole else communicator
        """The ranks that share the update of the parameters: all of them, or this one, which updates everything."""
        self.totals = Totals(shards, self.ranges, communicator)
        own = self.last - self.first
        alone = Totals(own, [(0, own)], SerialCommunicator()) if self.exchange.alone else None
        first, last, leaves = (self.first, self.last, shards) if alone is None else (0, own, own)
        if isinstance(self.exchange, Buckets) and self.exchange.overlaps:
            self.gradients: Gradients = Departing(self.layout, self.exchange, first, last, leaves)
        else:
            self.gradients = Gradients(self.layout, self.exchange.nodes, first, last, leaves)
        for parameter in network.parameters:
            parameter._value = self.layout.view(self.exchange.values, parameter)
        self.context = Context(self.totals, SampleStreams(seed), self.gradients, alone)
        self._products = RowProducts()
        self.own = self.slice_of(self.among.rank)
        """This rank's slice of the flat arrays: the part of the parameters that it updates."""

    def _make_exchange(self, exchange: contracts.Exchange) -> Exchange:
        layout, communicator, dtype = self.layout, self.communicator, self.network.dtype

        def step() -> int:
            return self.context.step + 1

        if isinstance(exchange, contracts.GradientExchange):
            return Buckets(layout, self.shards, self.ranges, communicator, dtype, exchange, step)
        if isinstance(exchange, contracts.ValueExchange):
            return Apart(layout, communicator, dtype, exchange, step)
        return make_exchange(layout, self.shards, self.ranges, communicator, dtype)

    @cached_property
    def inference(self) -> InferenceContext:
        """The context of passes that train nothing and in which nothing crosses rows."""
        return InferenceContext(self.seed, self._products)

    def twin(self, network: Network) -> Replica:
        """Returns a replica for the inference of another thread. network: another one of the same config.

        It has the same values, and a context of its own.
        """
        twin = copy(self)
        twin.network = network
        twin.inference = InferenceContext(self.seed, self._products)
        for parameter, own in zip(network.parameters, self.network.parameters, strict=True):
            parameter._value = own.value
        for state, of_own in zip(network.states, self.network.states, strict=True):
            state.value = of_own.value
        return twin

    def slice_of(self, rank: int) -> slice:
        """Returns the slice of the flat arrays of one of the ranks that share the update."""
        first, last = self.exchange.ranges[rank]
        return slice(first * BLOCK, last * BLOCK)

    @property
    def shares_values(self) -> bool:
        """Whether all ranks read one array of values."""
        return self.communicator.shares_memory and self.among is self.communicator

    def writes_values(self) -> bool:
        """Tells whether this rank fills the array of values when it is set as a whole."""
        return self.communicator.rank == 0 or not self.shares_values

    def initialize(self) -> None:
        """Draws the initial values, each parameter from a stream of its own. A collective."""
        if self.writes_values():
            for p in self.network.parameters:
                drawn = np.asarray(p.initializer(p.shape, p.fans, Stream(self.seed, "init", p.name)))
                if drawn.shape != p.shape:
                    raise TypeError(
                        f"initializer {type(p.initializer).__name__} of parameter {p.name!r} must return "
                        f"shape {p.shape}, got {drawn.shape}"
                    )
                p.value[...] = drawn
        self.communicator.barrier()

    def copy(self) -> tuple[Array, list[Array]]:
        """Returns copies of all values and states."""
        return self.exchange.values.copy(), [state.value.copy() for state in self.network.states]

    def restore(self, copy: tuple[Array, list[Array]]) -> None:
        """Brings back what `copy` returned. A collective."""
        self.communicator.barrier()
        if self.writes_values():
            self.exchange.values[...] = copy[0]
        for state, value in zip(self.network.states, copy[1], strict=True):
            state.value = value.copy()
        self.communicator.barrier()

    def gather(self, own: Array) -> Array:
        """Returns a whole flat array from the slices of the ranks that share the update. A collective of these."""
        ranges = self.exchange.ranges
        widest = max(b - a for a, b in ranges) * BLOCK
        send = np.zeros(widest, own.dtype)
        send[: len(own)] = own
        receive = np.zeros((len(ranges), widest), own.dtype)
        self.among.allgather(send, receive)
        whole = np.zeros(self.layout.size, own.dtype)
        for (first, last), part in zip(ranges, receive, strict=True):
            whole[first * BLOCK : last * BLOCK] = part[: (last - first) * BLOCK]
        return whole

    def digest(self) -> str:
        """Returns the SHA-256 of all parameters and running statistics."""
        return digest(self.network.parameters, self.network.states)
