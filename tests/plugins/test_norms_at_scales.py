"""Penalties, norms and inner products of parameters, at any scale and any offset, against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import fsum, isqrt, sqrt

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.contracts import ArrayRows
from dtrain.trainer.update import Penalty
from dtrain_plugins.losses.mse import Mse
from dtrain_plugins.optimizers.lamb import Lamb
from dtrain_plugins.optimizers.lars import Lars
from dtrain_plugins.optimizers.lbfgs import Lbfgs
from dtrain_plugins.optimizers.sgd import Sgd
from dtrain_plugins.regularizers import dtrain_regularizers
from tests.plugins.scales import ALL_SCALES, DTYPES, EPS, RANKS, fractions, numbers, offsets_at
from tests.plugins.support import built, examples_of
from tests.support import Job, Scale, assert_same_bits, named, network

WIDTH = 3000
"""Parameters over three blocks, the last one cut."""

at_every_scale = pytest.mark.parametrize("scale", ALL_SCALES)
both_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def root(square):
    """√ of a fraction, to float64."""
    shift = 200 + max(0, square.denominator.bit_length() - square.numerator.bit_length())
    return float(Fraction(isqrt((square.numerator << 2 * shift) // square.denominator), 1 << shift))


def job_of(communicator, dtype, optimizer=None, **options):
    net = network(named(Scale()), (WIDTH,), dtype)
    x = np.ones((8, WIDTH), dtype)
    return Job(communicator, net, Mse(), optimizer or Sgd(), ArrayRows(x, x), batch_size=8, **options)


def own(job, whole):
    """This rank's slice of an array over all parameters."""
    flat = np.zeros(job.replica.layout.size, whole.dtype)
    flat[:WIDTH] = whole
    return flat[job.replica.own].copy()


def on_ranks(body):
    """What body returns on rank 0; fails unless it is the same to the bit on all ranks of 1, 2 and 3."""
    found = [result for ranks in RANKS for result in run_ranks(ranks, body)]
    for other in found[1:]:
        assert_same_bits(np.asarray(other), np.asarray(found[0]))
    return found[0]


@pytest.mark.parametrize(
    ("name", "options"), [(n, o) for n, _, o, _ in examples_of(dtrain_regularizers())], ids=str
)
@at_every_scale
@both_dtypes
def test_a_penalty_and_its_gradient_are_right(dtype, scale, name, options):
    for offset in offsets_at(scale):
        value = numbers((WIDTH,), scale, offset, dtype)
        part = built("regularizers", name, options)
        l1 = options.get("l1", 1e-4) if name == "l1_l2" else getattr(part, "weight", 0) * (name == "l1")
        l2 = options.get("l2", 1e-4) if name == "l1_l2" else getattr(part, "weight", 0) * (name == "l2")

        def body(communicator, value=value, part=part):
            job = job_of(communicator, dtype, penalties=lambda net: [Penalty(part, net.parameters)])
            communicator.barrier()
            job.replica.exchange.values[job.replica.own] = own(job, value)
            communicator.barrier()
            gradient = np.zeros(job.replica.own.stop - job.replica.own.start, dtype)
            assert job.update.prepare(gradient, True)
            return np.append(job.update.penalty(), job.replica.gather(gradient)[:WIDTH])

        penalty, *gradient = on_ranks(body)
        absolute, square = (fsum(abs(v) ** n for v in value.tolist()) for n in (1, 2))
        expected = l1 * absolute + l2 * square
        assert abs(penalty - expected) <= 20 * EPS * expected
        slope = l1 * np.sign(value.astype(float)) + 2 * l2 * value.astype(float)
        size = l1 + 2 * l2 * abs(value.astype(float))
        limits = np.finfo(dtype)
        assert (abs(np.array(gradient) - slope) <= 4 * limits.eps * size + limits.smallest_subnormal).all()


@at_every_scale
@both_dtypes
def test_a_gradient_is_clipped_to_the_norm(dtype, scale):
    for offset in offsets_at(scale):
        gradient = numbers((WIDTH,), scale, offset, dtype)
        norm = root(sum(v * v for v in fractions(gradient)))

        def clipped(limit, gradient=gradient):
            def body(communicator):
                job = job_of(communicator, dtype, clip_norm=limit)
                mine = own(job, gradient)
                with np.errstate(over="ignore"):  # as in a run
                    assert job.update.prepare(mine, True)
                return job.replica.gather(mine)[:WIDTH]

            return on_ranks(body)

        assert (clipped(1.001 * norm) == gradient).all()
        found = clipped(norm / 3).astype(float)
        precision = max(float(np.finfo(dtype).eps), WIDTH * EPS)
        unit = float(np.finfo(dtype).smallest_subnormal)
        assert (abs(found - gradient.astype(float) / 3) <= 20 * precision * abs(found) + unit).all()


@at_every_scale
@both_dtypes
def test_inner_products_of_a_solver_are_right(dtype, scale):
    for offset in offsets_at(scale):
        a, b = (numbers((WIDTH,), scale, offset, dtype, seed) for seed in (0, 1))

        def body(communicator, a=a, b=b):
            job = job_of(communicator, dtype, Lbfgs())
            problem = job.step.seen
            return problem.dot(own(job, a), own(job, b)), problem.norm(own(job, a))

        dot, norm = on_ranks(body)
        products = [x * y for x, y in zip(fractions(a), fractions(b), strict=True)]
        assert abs(dot - float(sum(products))) <= WIDTH * EPS * float(sum(map(abs, products)))
        expected = root(sum(v * v for v in fractions(a)))
        assert abs(norm - expected) <= WIDTH * EPS * expected


@pytest.mark.parametrize("make", [Lars, Lamb], ids=lambda kind: kind.__name__)
@at_every_scale
@both_dtypes
def test_a_rate_by_norms_is_relative(dtype, scale, make):
    """A gradient of any size moves the values by one share of their norm; sizes of values scale with them."""
    gradient, value = numbers((WIDTH,), scale, 0, dtype), numbers((WIDTH,), 1, 0, dtype, seed=1)
    part = {"weight_decay": 0.0, "lr": 0.125} | ({"trust": 0.5} if make is Lars else {"epsilon": 1e-200})
    if make is Lamb and (dtype == "float32" and not 1e-17 < scale < 1e17):
        return  # v, the mean of g², is of the parameters' dtype: as in every Adam

    def body(communicator):
        job = job_of(communicator, dtype, make(**part))
        communicator.barrier()
        job.replica.exchange.values[job.replica.own] = own(job, value)
        communicator.barrier()
        job.update.apply(own(job, gradient), 1)
        return job.replica.exchange.values[:WIDTH].copy()

    moved = on_ranks(body).astype(float) - value
    length = 0.125 * part.get("trust", 1.0) * sqrt(fsum(v * v for v in value.tolist()))
    direction = gradient.astype(float) / scale if make is Lars else np.sign(gradient.astype(float))
    direction /= sqrt(fsum(v * v for v in direction.tolist()))
    assert abs(moved + length * direction).max() <= 40 * np.finfo(dtype).eps * abs(value).max()


def test_squares_in_float32_would_be_seen():
    """Negative control of the norms and the penalties."""
    with np.errstate(over="ignore"):
        for scale in (1e-30, 1e19, 1e30):
            value = numbers((WIDTH,), scale, 0, "float32")
            share = float(np.square(value).sum()) / fsum(v * v for v in value.tolist())
            assert not 0.99 < share < 1.01
