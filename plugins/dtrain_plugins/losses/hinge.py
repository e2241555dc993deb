from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Output, Target, TargetKind

from .checks import check_signs
from .pointwise import Points, Pointwise


class Hinge(Pointwise):
    """The hinge of support vector machines: max(0, 1 − t·y), the mean over a row's outputs.

    y: (rows, …). target: t = −1 or 1, of the same shape, or (rows,) for a single output; classes 0 and 1 are
    taken as −1 and 1. values: (rows,). dy = −t/outputs where t·y < 1, and 0 elsewhere.

    multi_class: y: (rows, …, K), one score a class; target: (rows, …), classes k = 0 … K−1, of any whole type.
    A place's loss is max(0, 1 + max_{j≠k} y_j − y_k), a row's the sum over its places; dy is 1 at the first
    greatest rival and −1 at k where that is above 0. (PyTorch adds up over all rivals, and divides by K.)

    Raises ValueError for other targets, and with `multi_class` for fewer than two outputs.

    Cortes & Vapnik, "Support-vector networks", 1995; multi_class: Crammer & Singer, "On the algorithmic
    implementation of multiclass kernel-based vector machines", 2001.
    """

    takes: tuple[TargetKind, ...] = ("labels",)
    expects = "scores"
    threshold = 0.0
    examples = [
        {"input": (1,), "target": "classes"},
        {"multi_class": True, "input": (5,), "target": "classes"},
    ]

    def __init__(self, multi_class: bool = False) -> None:
        self.multi_class = multi_class
        self.answers = "class" if multi_class else "labels"
        if multi_class:
            self.takes = ("class",)

    def check(self, target: Target, output: Output) -> None:
        if not self.multi_class:
            check_signs(target)
        elif output.shape[-1] < 2:
            raise ValueError(
                f"expected at least two outputs, one a class, with multi_class, got {output.shape}"
            )

    def points(self, y: Array, target: Array) -> Points:
        t = np.where(target.real > 0, y.dtype.type(1), y.dtype.type(-1))
        margin = 1 - t * y
        inside = margin.real > 0
        return np.where(inside, margin, 0), lambda: np.where(inside, -t, 0)

    def some(self, y: Array, target: Array) -> Points:
        if not self.multi_class:
            return super().some(y, target)
        own = target[..., None].astype(np.int64)
        scores = y.real.copy()
        np.put_along_axis(scores, own, -np.inf, axis=-1)
        rival = scores.argmax(axis=-1)[..., None]
        # 1 is added last: beside large scores it would be lost
        margin = (np.take_along_axis(y, rival, axis=-1) - np.take_along_axis(y, own, axis=-1)) + 1
        inside = margin.real > 0
        each = np.where(inside, margin, 0)

        def backward() -> Array:
            dy = np.zeros_like(y)
            np.put_along_axis(dy, rival, inside.astype(y.dtype), axis=-1)
            np.put_along_axis(dy, own, -inside.astype(y.dtype), axis=-1)
            return dy

        return np.einsum("ij->i", each.reshape(len(y), prod(target.shape[1:]))), backward
