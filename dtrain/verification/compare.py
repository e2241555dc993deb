"""From what two jobs noted to the first place, and there the first tensor, at which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtrain.trainer.difference import Size, size_of

from .outcome import Difference

if TYPE_CHECKING:
    from .recording import Place, Recording
    from .trace import Seen

ROWS = (
    "what crosses rows goes through the context: context.sum(x) instead of x.sum(axis=0), context.moments for a mean, "
    "context.matmul(x, w) for a product, and context.gradient sums x[rows] and dy[rows] only; random numbers are "
    "the context's, and what is kept from step to step lies in make.state"
)
STATE = (
    "context.update gives a running statistic its value, made of totals: context.moments(x) instead of "
    "x.mean(axis=0); nothing is kept outside of make.state"
)
AGAIN = (
    "a second run on as many ranks differs, too: random numbers are the context's (context.uniform, normal, "
    "bernoulli, stream; in a callback or schedule none), nothing reads the clock, and nothing is kept from run to run"
)
UPDATE = (
    "no layer's output and no dx differs before it: look at what this layer hands to context.gradient (x[rows] and "
    "dy[rows] only), then at the optimizer and the regularizers, which work on slices that are cut anywhere"
)
DECISION = "a schedule, a callback or a metric decides by something else than figures that all ranks share"
START = (
    "initial values come from the `random` that an initializer gets, and a fit adds up through the context"
)


@dataclass(frozen=True)
class First:
    """The first difference: the number of its place, the rank that has it, its name, and how many more differ."""

    number: int
    rank: int
    name: str
    others: int


def first_difference(reference: Recording, job: Sequence[Recording]) -> First | None:
    """Returns the first place and tensor in which a rank of a job differs from the first rank of the reference."""
    for number in range(min(len(reference.digests), *(len(rank.digests) for rank in job))):
        found = list(_different(reference, job, number))
        if found:
            rank, name = found[0]
            return First(number, rank, name, len({other for _, other in found}) - 1)
    return None


def _different(reference: Recording, job: Sequence[Recording], number: int) -> Iterator[tuple[int, str]]:
    expected = reference.digests[number]
    if reference.places[number] != job[0].places[number]:
        yield 0, "places"
    for name, digest in expected.items():
        for rank, recording in enumerate(job):
            if recording.digests[number].get(name, digest if rank else "") != digest:
                yield rank, name
                break


def explained(
    first: First, reference: Sequence[Recording], job: Sequence[Recording], *, again: bool
) -> Difference:
    """Returns the difference with its size and origin, from the second run up to its place.

    again: whether both jobs noted the same in it as in the first.
    """
    kept, other = reference[0].kept, job[first.rank].kept
    there = first.name in kept and first.name in other
    size = size_of(kept[first.name], other[first.name]) if there else None
    seen = _first_seen(reference, job) if _same_before(first.number, reference[0], job[0]) else None
    origin = "" if seen is None else _in_words(*seen, reference[0].titles)
    hint = AGAIN if not again else ROWS if origin else _hint(first, reference[0].places[first.number].step)
    title = reference[0].titles.get(first.name, "the number of steps")
    place = reference[0].places[first.number]
    return Difference(place, first.name, title, first.rank, size, first.others, origin, hint)


def _same_before(number: int, one: Recording, other: Recording) -> bool:
    return number > 0 and all(
        one.digests[number - 1].get(k) == v for k, v in other.digests[number - 1].items()
    )


def _hint(first: First, step: int) -> str:
    kind = first.name.split("/")[0]
    return START if step == 0 else {"state": STATE, "value": UPDATE, "slot": UPDATE}.get(kind, DECISION)


def _first_seen(reference: Sequence[Recording], job: Sequence[Recording]) -> tuple[Seen, Size] | None:
    """Returns what differs first in the order of computing, with all ranks' rows put together."""
    for expected, got in zip(_whole(reference), _whole(job), strict=False):
        if (expected.what, expected.layer) != (got.what, got.layer):
            return None
        size = size_of(expected.array, got.array)
        if size.count:
            return got, size
    return None


def _whole(job: Sequence[Recording]) -> Iterator[Seen]:
    for parts in zip(*(recording.trace for recording in job), strict=False):
        first = parts[0]
        yield type(first)(first.what, first.layer, np.concatenate([part.array for part in parts]))


def _in_words(seen: Seen, size: Size, titles: dict[str, str]) -> str:
    layer = titles.get(seen.layer, "")
    what = {
        "data": "the samples, as they come from the data and its transforms",
        "forward": f"the output of {layer}, whose input is the same",
        "loss": "the values of the loss, whose input is the same",
        "slope": "the gradient that the loss gives",
        "backward": f"the gradient dx of {layer}, whose output and dy are the same",
    }[seen.what]
    return f"{what}: {size}"


def at_the_end(reference: Sequence[Recording], job: Sequence[Recording], hint: str) -> Difference | None:
    """Returns the largest difference, by the tensor's largest number, of parameters and running statistics."""
    kept = reference[0].kept
    sizes = {
        name: size_of(array, job[0].kept[name])
        for name, array in kept.items()
        if name.startswith(("value/", "state/"))
    }
    different = [name for name, size in sizes.items() if size.count]
    if not different:
        return None
    name = max(different, key=lambda name: sizes[name].relative)
    place, title = reference[0].places[-1], reference[0].titles[name]
    return Difference(place, name, title, 0, sizes[name], len(different) - 1, "", hint)


def same_as_before(
    before: Place, number: int, first: Sequence[Recording], second: Sequence[Recording]
) -> bool:
    """Tells whether two runs of one job noted the same at a place, and came to it."""
    return all(
        len(b.places) > number and b.places[number] == before and a.digests[number] == b.digests[number]
        for a, b in zip(first, second, strict=True)
    )
