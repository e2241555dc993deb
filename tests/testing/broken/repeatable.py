"""Random numbers of its own: another instance, run or rank draws others."""

from __future__ import annotations

import time

import numpy as np
from numpy.random import default_rng

from dtrain import ArrayRows, Dataset, Initializer, Layer, Procedure, Transform

from .right_layers import Learned
from .table import broken


@broken("layers", "repeatable")
class LearnsFromAGeneratorOfItsOwn(Learned):
    def fit(self, batches, context):
        self.mean.value = default_rng(0).random(self.mean.value.shape)


@broken("layers", "repeatable")
class GeneratorByAnotherName(Layer):
    def forward(self, x, context):
        scale = default_rng(0).random(x.shape[1:]).astype(x.real.dtype)
        return x * scale, lambda dy: dy * scale


@broken("layers", "repeatable")
class GeneratorOfItsOwn(Layer):
    def forward(self, x, context):
        scale = np.random.default_rng(0).random(x.shape[1:]).astype(x.real.dtype)
        return x * scale, lambda dy: dy * scale


@broken("initializers", "repeatable")
class SeededByItself(Initializer):
    def __call__(self, shape, fans, random):
        return np.random.default_rng(3).normal(size=shape)


@broken("datasets", "repeatable", "same_content")
class Unseeded(Dataset):
    examples = [{}]

    def __init__(self) -> None:
        self.train = ArrayRows(np.random.default_rng().normal(size=(20, 2)))


@broken("transforms", "repeatable", "same_bits", "split", "state")
class OwnNoise(Transform):
    """Each rank, and each run, with noise of its own."""

    def __init__(self) -> None:
        self.random = np.random.default_rng()

    def forward(self, x, y, context):
        return x + self.random.normal(size=x.shape).astype(x.dtype), y


@broken("procedures", "repeatable")
class StepsByTheClock(Procedure):
    def run(self, course):
        course.take_step({"lr": 1 / time.perf_counter_ns()})
