"""prelu: a learned slope."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dtrain.engine import Network
from dtrain_plugins.activations.leaky_relu import LeakyRelu
from dtrain_plugins.layers.prelu import Prelu
from tests.plugins.support import check_gradients, distance, initializer, message_of, run_layer, same_bits

RANDOM = np.random.Generator(np.random.Philox(4))
SLOPES = {"channel": np.array([0.1, -0.5, 2.0]), "layer": np.array([0.3])}
every = pytest.mark.parametrize("per", SLOPES)
shapes = pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 3)], ids=str)


def off_the_kink(*shape):
    x = RANDOM.standard_normal(shape)
    return x + np.copysign(0.1, x)


@every
@shapes
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_agrees_with_one_product_at_a_time(per, shape, dtype, tolerance):
    x, dy = off_the_kink(6, *shape).astype(dtype), RANDOM.standard_normal((6, *shape)).astype(dtype)
    passed = run_layer(partial(Prelu, per), x, dy, sizes=(4, 0, 2), values={"slope": SLOPES[per]})
    y, dx, slopes = np.zeros(x.shape), np.zeros(x.shape), np.zeros(len(SLOPES[per]))
    for at in np.ndindex(*x.shape):
        which = at[-1] if per == "channel" else 0
        slope = 1 if x[at] > 0 else SLOPES[per][which]
        y[at], dx[at] = slope * float(x[at]), slope * float(dy[at])
        slopes[which] += float(dy[at]) * min(float(x[at]), 0)
    assert passed.y.dtype == passed.dx.dtype == passed.gradients["slope"].dtype == dtype
    assert distance(passed.y, y) <= tolerance
    assert distance(passed.dx, dx) <= tolerance
    assert distance(passed.gradients["slope"], slopes) <= 10 * tolerance


@every
@shapes
def test_differentiates(per, shape):
    x, dy = off_the_kink(5, *shape), RANDOM.standard_normal((5, *shape))
    check_gradients(
        partial(Prelu, per), x, dy, sizes=(2, 0, 3), values={"slope": SLOPES[per]}, tolerance=1e-14
    )


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gives_the_same_bits_on_any_number_of_ranks(per, dtype):
    x, dy = RANDOM.standard_normal((2, 23, 5, 3)).astype(dtype)
    sizes = (4, 3, 3, 3, 3, 3, 2, 2)
    whole = run_layer(partial(Prelu, per), x, dy, sizes=sizes)
    for ranks in (1, 2, 3, 5):
        split = run_layer(partial(Prelu, per), x, dy, sizes=sizes, ranks=ranks)
        same_bits(split.y, whole.y)
        same_bits(split.dx, whole.dx)
        same_bits(split.gradients, whole.gradients)


def test_starts_as_a_leaky_relu_with_slopes_per_channel_that_no_weight_decay_reaches():
    x = RANDOM.standard_normal((4, 2, 3))
    assert distance(run_layer(Prelu, x).y, run_layer(partial(LeakyRelu, 0.25), x).y) < 1e-15
    assert (
        distance(run_layer(partial(Prelu, slope=0.5), x).y, run_layer(partial(LeakyRelu, 0.5), x).y) < 1e-15
    )
    (slope,) = Network([("p", Prelu())], (2, 3), "f4", initializer).parameters
    assert (slope.name, slope.shape, slope.role) == ("p.slope", (3,), "scale")
    (slope,) = Network([("p", Prelu("layer"))], (2, 3), "f4", initializer).parameters
    assert slope.shape == (1,)


@every
def test_takes_extreme_numbers_and_no_rows_without_a_warning(per):
    most = np.finfo(np.float32).max
    x = np.array([[-1e4, 0, 1e4], [-1, most, most]], np.float32)
    passed = run_layer(
        partial(Prelu, per), x, np.ones_like(x), values={"slope": np.full_like(SLOPES[per], 2)}
    )
    assert passed.y.tolist() == [[-2e4, 0, 1e4], [-2, most, most]]
    assert passed.dx.tolist() == [[2, 2, 1], [2, 1, 1]]
    assert run_layer(partial(Prelu, per), x[:0], x[:0]).dx.shape == (0, 3)


def test_samples_without_a_dimension_have_no_channels():
    assert message_of(ValueError, lambda: Prelu().build((), None)) == (
        'prelu per channel takes samples of at least one dimension, got (); or per = "layer"'
    )
    x = np.array([-2.0, 3.0])
    assert list(run_layer(partial(Prelu, "layer"), x, x).y) == [-0.5, 3]
