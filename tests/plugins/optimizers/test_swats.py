"""SWATS."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dtrain_plugins.optimizers.swats import Swats
from tests.plugins.optimizers import grid
from tests.plugins.optimizers.support import START, Pad, check, gradient, trajectory, updated
from tests.plugins.support import message_of


def run(optimizer, rates, steps):
    """Algorithm 1 of Keskar & Socher in whole arrays; returns the points, the step of the switch, and Λ."""
    b1, b2, epsilon = optimizer.beta_1, optimizer.beta_2, optimizer.epsilon
    w, m, a, lam = np.array(grid.start()), np.zeros(7), np.zeros(7), 0.0
    phase, switched, big, points = "Adam", None, None, []
    for k in range(1, steps + 1):
        g = np.array(gradient(w))
        if phase == "SGD":
            v = b1 * v + g  # noqa: F821  # of the step of the switch
            w = w - (1 - b1) * big * rates[k - 1] / rates[switched - 1] * v
            points.append(w)
            continue
        m = b1 * m + (1 - b1) * g
        a = b2 * a + (1 - b2) * g**2
        p = -rates[k - 1] * np.sqrt(1 - b2**k) / (1 - b1**k) * m / (np.sqrt(a) + epsilon)
        w = w + p
        points.append(w)
        if p @ g != 0:
            gamma = (p @ p) / -(p @ g)
            lam = b2 * lam + (1 - b2) * gamma
            if k > 1 and abs(lam / (1 - b2**k) - gamma) < optimizer.tolerance and lam > 0:
                phase, switched, big, v = "SGD", k, lam / (1 - b2**k), np.zeros(7)
    return np.array(points), switched, big


def textbook(optimizer, rates, steps):
    return run(optimizer, rates, steps)[0]


OPTIONS = [
    {},
    {"lr": 0.1, "beta_1": 0.5, "beta_2": 0.99, "tolerance": 1e-3},
    {"lr": 0.1, "beta_1": 0.7, "beta_2": 0.95, "tolerance": 3e-4},
    {"lr": 0.05, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-4, "tolerance": 1e-3},
]


@grid.dtypes
@grid.rates
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_follows_the_paper(options, dtype, tolerance, rates):
    check(Swats, textbook, options, dtype, tolerance, rates)


FALLING = [0.1 / t for t in range(1, 51)]


@pytest.mark.parametrize(
    ("options", "rates", "step"),
    [(OPTIONS[1], [0.1] * 50, 20), (OPTIONS[2], [0.1] * 50, 5), (OPTIONS[3], FALLING, 33)],
    ids=["20", "5", "33"],
)
def test_switches_where_the_paper_does_to_the_rate_that_it_finds(options, rates, step):
    _, switched, rate = run(Swats(**options), rates, 50)
    assert switched == step
    part = Swats(**options)
    trajectory(part, steps=step - 1, rates=rates)
    assert (part.rate, part.sums()) == (None, 2)
    part = Swats(**options)
    trajectory(part, steps=step, rates=rates)
    assert part.rate == pytest.approx(rate, rel=1e-10)
    assert part.sums() == 0


def test_stays_with_adam_until_the_average_has_settled():
    part = Swats()
    trajectory(part)
    assert part.rate is None


def test_never_switches_at_the_first_step_where_both_are_the_same():
    part = Swats(tolerance=1e9)
    trajectory(part, steps=1)
    assert part.rate is None
    trajectory(part, steps=2)
    assert part.rate is not None


def test_after_the_switch_the_momentum_starts_from_zero():
    part = Swats(lr=0.1, tolerance=1e9)
    points, (v, _) = trajectory(part, steps=3)
    g = np.array(gradient([float(x) for x in points[1]]))
    assert v == pytest.approx(g, rel=1e-13)
    assert points[2] == pytest.approx(points[1] - 0.1 * part.rate * g, rel=1e-13)


def test_a_schedule_goes_on_after_the_switch():
    one, _ = trajectory(Swats(tolerance=1e9), steps=3, rates=[0.1, 0.1, 0.1])
    half, _ = trajectory(Swats(tolerance=1e9), steps=3, rates=[0.1, 0.1, 0.05])
    assert half[2] - half[1] == pytest.approx((one[2] - one[1]) / 2, rel=1e-9)


def test_a_step_across_the_gradient_leaves_the_average_alone():
    part = Swats()
    part.decide(1, (-2.0, 4.0))
    before = part.state()
    part.decide(2, (0.0, 4.0))
    part.decide(3, (-1e-300, 1e300))  # beyond float64
    assert part.state() == before


def test_a_step_uphill_is_no_rate_to_descend_by():
    part = Swats(beta_2=0.0, tolerance=1.0)
    part.decide(1, (2.0, 4.0))
    part.decide(2, (2.0, 4.0))
    assert part.rate is None
    part.decide(3, (-2.0, 4.0))
    assert part.rate == 2.0


@pytest.mark.parametrize("cut", [1, 19, 20, 21, 30])
def test_goes_on_from_its_state_through_json(cut):
    options = OPTIONS[1]
    whole, _ = trajectory(Swats(**options), steps=50)
    part, value, slots = Swats(**options), START.copy(), [np.zeros(7) for _ in Swats.slots]
    for step in range(1, 51):
        if step == cut + 1:
            state = json.loads(json.dumps(part.state(), allow_nan=False))
            part = Swats(**options)
            part.load_state(state)
        updated(part, value, np.array(gradient([float(v) for v in value])), Pad(np.float64, step), slots)
    assert (value == whole[-1]).all()
    assert part.rate is not None


def test_has_two_slots_and_the_papers_defaults():
    part = Swats()
    assert (part.lr, part.beta_1, part.beta_2, part.epsilon, part.tolerance) == (1e-3, 0.9, 0.999, 1e-9, 1e-9)
    assert (Swats.slots, Swats.sums_over, part.rate) == (("m", "a"), "all", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"beta_1": 1.0}, "beta_1 must be in [0, 1), got 1.0"),
        ({"beta_2": -0.5}, "beta_2 must be in [0, 1), got -0.5"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
        ({"tolerance": -1.0}, "tolerance must be positive, got -1.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Swats(**options)) == message
