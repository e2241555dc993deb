"""What an exchange is: how what the ranks have computed meets."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeVar

from .configurable import Configurable

if TYPE_CHECKING:
    from dtrain.types import Array

_T = TypeVar("_T")


class Messages(NamedTuple):
    """What one rank sends and receives at once: (peer, array) each, C-contiguous, of any dtype.

    Between two ranks, the messages of one part match in the order in which each side lists them, and each has the
    same size and dtype on both sides. Arrays stay as they are until all have come and gone.
    """

    sends: Sequence[tuple[int, Array]]
    receives: Sequence[tuple[int, Array]]


Moves: TypeAlias = Generator[Messages, None, _T]
"""A generator that yields the messages for which it has to wait, and returns a result.

The engine starts the messages that it yields and resumes it when these are done. What others do meanwhile (the
backward pass, other buckets) is the engine's business. Every rank yields the same number of times.
"""


class Part(Protocol):
    """What one run of an exchange sees, of one stretch of the flat array of parameters, alike on all ranks."""

    rank: int
    size: int
    """How many ranks there are."""

    number: int
    """Which stretch this is, from 0."""

    @property
    def step(self) -> int:
        """The number of this update, from 1: skipped steps do not count."""

    @property
    def slots(self) -> Mapping[str, Array]:
        """This rank's own slots over this stretch, each of shape (n,) in the run's dtype, to be written in place.

        Zero at the start. What a step that turns out not to be finite has left in them is taken back.
        """

    def swap(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> Moves[None]:
        """Sends arrays to peers and receives arrays from peers, (peer, array) each; see `Messages`.

        To be called as `yield from part.swap(…)`.
        """

    def gather(self, own: Array) -> Moves[Array]:
        """Returns every rank's `own`, of one shape and dtype: (size, *own.shape).

        To be called as `received = yield from part.gather(own)`.
        """


class GradientPart(Part, Protocol):
    """A bucket of the gradient."""

    gradient: Array
    """This rank's part of the mean's gradient, shape (n,), in the run's dtype, to be written to.

    It is scaled already: the sum over ranks is the gradient of the mean over the global batch. It may hold numbers
    that are not finite; then the step will be skipped whatever is made of it. Elements that belong to no trained
    parameter are 0.
    """

    def exact(self) -> Moves[None]:
        """Leaves in `gradient` the total of what all ranks had in it at first, added in the fixed tree over shards.

        The bits are those of the exact exchange, on any number of ranks. To be called as `yield from part.exact()`.
        """


class ValuePart(Part, Protocol):
    """The parameters at a meeting: all of them, in one stretch."""

    value: Array
    """This rank's values, shape (n,), in the run's dtype, to be written to."""

    @property
    def start(self) -> Array:
        """The values, the same on all ranks, with which all went on from the last meeting. Read-only."""


class Exchange(Configurable):
    """How what the ranks have computed meets. A plain one is the exact exchange, the engine's own.

    In it each rank adds up a slice of the gradient over all shards, in a fixed tree, updates that slice of the
    parameters and passes it on. The subclasses `GradientExchange` and `ValueExchange` say how gradients or values
    meet instead; then every rank holds the whole of the parameters and of the optimizer's slots for itself.
    """

    examples: ClassVar[list[dict[str, Any]]] = [{}]
    """How the checks build this part: options."""

    slots: tuple[str, ...] = ()
    """Names of the flat arrays that each rank keeps for itself, such as what it has not sent yet; zero at the start.

    They are in checkpoints. A run that goes on with another number of ranks adds those of a gradient exchange up, for
    rank 0, and leaves zeros to the others; all go on with the mean of those of a value exchange. What is yet to be
    sent of a gradient lies in one called `residual`: the checks then see that nothing is lost."""

    exact: ClassVar[bool] = True
    """Whether parameters get the bits that the exact exchange gives, on any number of ranks."""


class GradientExchange(Exchange):
    """An exchange of gradients, bucket by bucket, in every step.

    bucket: MiB of gradient in a bucket, above 0: whole blocks of 1024 elements, at least one, cut from the flat array
    of parameters from its start, so that the config alone fixes them. overlap: whether a bucket sets out as soon
    as the backward pass has left it, instead of after the whole pass; `total` is the same in both cases. Of several
    micro-batches an exact exchange sends each; any other meets once, when all have been added up, and hides nothing.
    """

    exact: ClassVar[bool] = False
    bucket: float = 1.0
    overlap: bool = False

    def __init__(self, bucket: float = 1.0, overlap: bool = False) -> None:
        if not bucket > 0:
            raise ValueError(f"bucket must be above 0 MiB, got {bucket:g}")
        self.bucket, self.overlap = bucket, overlap

    def total(self, part: GradientPart) -> Moves[None]:
        """Leaves the total over all ranks in `part.gradient`: the same bits on every rank. A generator.

        It keeps nothing over steps but the slots, and does the same for the same gradients, slots and step. Several
        buckets may be under way at a time: what it needs meanwhile lies in variables of its own, not in `self`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no total")


class ValueExchange(Exchange):
    """An exchange of values: between two meetings each rank trains by itself, on its own shards of every batch.

    interval: updates between two meetings; ranks also meet at the end of every epoch, and of the run. What follows
    a meeting (validation, checkpoints) sees the same values on all ranks.
    """

    exact: ClassVar[bool] = False
    interval: int = 1

    def meet(self, part: ValuePart) -> Moves[None]:
        """Leaves in `part.value` the values with which all ranks go on: the same bits on every rank. A generator.

        What a meeting has to remember, such as a momentum, lies in slots.
        """
        raise NotImplementedError(f"{type(self).__name__} has no meet")
