"""Counter-based random numbers: a function of (seed, stream, place), never of the rank.

Raw words come from Philox 4×64-10 (Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as
1, 2, 3", 2011), which NumPy guarantees; the maps from words to numbers are dtrain's own, since NumPy's
distributions may change between versions and reject, so that they use a varying number of words.
"""

from __future__ import annotations

import hashlib
import json
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Philox

if TYPE_CHECKING:
    from dtrain.types import Array, Shape

_WORDS = 4  # 64-bit words in one Philox block


def key_of(seed: int, *path: str | int) -> Array:
    """Returns the 128-bit Philox key of a stream, as two uint64: different paths are different streams."""
    text = json.dumps((seed, *path), default=int)  # default: NumPy's integers are integers
    return np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint64)


class Words:
    """The words of one stream: an array of 2²⁵⁶ blocks, read from any place."""

    def __init__(self, seed: int, *path: str | int) -> None:
        self._generator = Philox(key=key_of(seed, *path))
        self._state = self._generator.state
        self._state["buffer_pos"] = _WORDS  # nothing buffered: the next word starts a block

    def read(self, blocks: int, first: int, *place: int) -> Array:
        """Returns `blocks` blocks from block `first` on, uint64, shape (4·blocks,).

        place: up to three further words of the counter (an epoch, a step, …).
        """
        counter = self._state["state"]["counter"]
        counter[0] = first
        counter[1:] = 0
        counter[1 : 1 + len(place)] = place
        self._generator.state = self._state
        return self._generator.random_raw(_WORDS * blocks)


def uniform_from(words: Array, dtype: np.dtype[np.floating]) -> Array:
    """Maps words to the open interval (0, 1), on the centres of 2²³ (float32) or 2⁵² (float64) cells.

    The leading bits of a word become the fraction of a number of [1, 2), of which 1 − half a cell is taken:
    (2k + 1)/2²⁴ or (2k + 1)/2⁵³, without rounding.
    """
    if dtype == np.float32:
        bits = words.view(np.uint32) >> np.uint32(9)
        bits |= np.uint32(0x3F800000)
        single: Array = bits.view(np.float32)
        single -= np.float32(1 - 2.0**-24)
        return single
    bits = words >> np.uint64(12)
    bits |= np.uint64(0x3FF0000000000000)
    double: Array = bits.view(np.float64)
    double -= 1 - 2.0**-53
    return double


def normal_from(words: Array, dtype: np.dtype[np.floating]) -> Array:
    """Maps words to the standard normal distribution (Box & Muller 1958); neighbours make a pair."""
    u = uniform_from(words, dtype)
    pairs = u.reshape(-1, 2)
    radius = np.sqrt(dtype.type(-2) * np.log(pairs[:, 0]))
    angle = dtype.type(2 * np.pi) * pairs[:, 1]
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).reshape(u.shape)


def bernoulli_from(words: Array, probability: float) -> Array:
    """Maps words to bools that are True with this probability (to 2⁻³²): two a word, along the last axis."""
    threshold = round(probability * 2**32)
    if threshold >= 2**32:
        return np.ones((*words.shape[:-1], 2 * words.shape[-1]), bool)
    drawn: Array = words.view(np.uint32) < np.uint32(threshold)
    return drawn


def per_block(dtype: np.dtype[np.floating]) -> int:
    """Returns how many numbers one block gives: 8 of float32, 4 of float64."""
    return 32 // dtype.itemsize


class Stream:
    """Random numbers in the order of the calls, for what happens once (initial values, splits, orders)."""

    def __init__(self, seed: int, *path: str | int) -> None:
        self._words = Words(seed, *path)
        self._next = 0

    def _take(self, count: int) -> Array:
        blocks = -(-count // _WORDS)
        words = self._words.read(blocks, self._next)
        self._next += blocks
        return words

    def uniform(self, shape: Shape, low: float = 0.0, high: float = 1.0) -> Array:
        """Returns float64 numbers of the interval (low, high), whose ends only rounding can reach."""
        count = prod(shape)
        numbers = uniform_from(self._take(count), np.dtype(np.float64))[:count].reshape(shape)
        return low + (high - low) * numbers

    def normal(self, shape: Shape, mean: float = 0.0, std: float = 1.0) -> Array:
        """Returns float64 numbers of the normal distribution."""
        count = prod(shape)
        numbers = normal_from(self._take(count), np.dtype(np.float64))[:count].reshape(shape)
        return mean + std * numbers

    def bernoulli(self, shape: Shape, probability: float) -> Array:
        """Returns bools that are True with this probability (to 2⁻³²)."""
        count = prod(shape)
        return bernoulli_from(self._take(-(-count // 2)), probability)[:count].reshape(shape)

    def permutation(self, count: int) -> Array:
        """Returns 0 … count−1 in random order, int64: the order of one random word each."""
        return np.argsort(self._take(count)[:count], kind="stable")


class SampleStreams:
    """Numbers that belong to a sample: the same wherever, and beside whichever rows, it is computed.

    Every row starts at a block of its own, so that a rank's contiguous rows are one contiguous read. `of_batch`
    gives what belongs to a whole batch instead.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._streams: dict[tuple[str, int], Words] = {}

    def words(self, name: str, draw: int, rows: int, blocks: int, first: int, epoch: int) -> Array:
        """Returns (rows, 4·blocks) words for the samples first … first+rows−1 of this epoch.

        name, draw: the layer, and the how-manieth draw within it.
        """
        key = (name, draw)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = Words(self._seed, "sample", name, draw)
        return stream.read(rows * blocks, first * blocks, epoch).reshape(rows, _WORDS * blocks)

    def of_batch(self, name: str, draw: int, epoch: int, place: int) -> Stream:
        """Returns the stream of the batch that starts at this place of the epoch: the same for all of its rows."""
        return Stream(self._seed, "batch", name, draw, epoch, place)
