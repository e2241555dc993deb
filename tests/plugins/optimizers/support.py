"""Runs an optimizer by hand, and a function to run it on."""

from __future__ import annotations

from math import cos, exp, fsum, sin

import numpy as np

START = np.array([-1.7, 0.3, 2.0, -0.4, 1.1, 0.05, -2.5])


class Pad:
    """An `UpdateContext`: its scratch holds rubbish, as the engine's does."""

    role, sums = "weight", ()

    def __init__(self, dtype, step):
        self.step, self.dtype = step, dtype

    def empty(self, count):
        return np.full(count, np.nan, self.dtype)


def gradient(w):
    """Of f(w) = Σ sin(3wᵢ) + wᵢ²/4 + e^(−wᵢ²)·wᵢ₊₁: hills and valleys, and elements that meet."""
    n = len(w)
    return [
        3 * cos(3 * w[i]) + w[i] / 2 - 2 * w[i] * exp(-(w[i] ** 2)) * w[(i + 1) % n] + exp(-(w[i - 1] ** 2))
        for i in range(n)
    ]


def f(w):
    return sum(sin(3 * a) + a * a / 4 + exp(-a * a) * w[(i + 1) % len(w)] for i, a in enumerate(w))


def updated(optimizer, value, gradient, pad, slots, pieces=None):
    """One update, in pieces; the sums that it asks for are added exactly."""
    pieces = [slice(a, b) for a, b in pieces or ((0, len(value)),)]
    given = [(value[p], gradient[p], pad, *(slot[p] for slot in slots)) for p in pieces]
    if optimizer.sums_over and optimizer.sums():
        measured = []
        for arguments in given:
            pairs = optimizer.measure(*arguments)
            assert len(pairs) == optimizer.sums()
            measured.append([a.astype(float) * b.astype(float) for a, b in pairs])
        pad.sums = tuple(fsum(np.concatenate(each)) for each in zip(*measured, strict=True))
        if optimizer.sums_over == "all":
            optimizer.decide(pad.step, pad.sums)
    for arguments in given:
        assert optimizer.update(*arguments) is None


def trajectory(optimizer, dtype=np.float64, steps=50, pieces=((0, 7),), rates=None):
    """Returns the points of the first steps, and the slots at the end; updates piece by piece."""
    value = START.astype(dtype)
    slots = [np.zeros(len(value), dtype) for _ in optimizer.slots]
    points = []
    for step in range(1, steps + 1):
        if rates is not None:
            optimizer.lr = rates[step - 1]
        g = np.array(gradient([float(v) for v in value]), dtype)
        updated(optimizer, value, g, Pad(dtype, step), slots, pieces)
        points.append(value.copy())
    assert value.dtype == dtype
    assert {slot.dtype for slot in slots} <= {np.dtype(dtype)}
    return np.array(points), slots


def check(make, textbook, options, dtype, tolerance, rates=None):
    """Compares 50 steps with a loop over Python floats, `textbook(options, rates)`, and any cut of them.

    In float32 the comparison is shorter: hills magnify rounding.
    """
    steps = 50 if dtype == np.float64 else 10
    lr = make(**options).lr
    points, slots = trajectory(make(**options), dtype, steps, rates=rates)
    expected = textbook(make(**options), rates or [lr] * steps, steps)
    assert np.abs(points - expected).max() <= tolerance
    assert np.abs(points[-1] - START).max() > 10 * tolerance
    for pieces in ([(0, 1), (1, 7)], [(3, 7), (0, 3)], [(i, i + 1) for i in range(7)]):
        cut, cut_slots = trajectory(make(**options), dtype, steps, pieces, rates)
        assert (cut == points).all()
        assert all((a == b).all() for a, b in zip(cut_slots, slots, strict=True))
