"""The schedule that falls on a plateau."""

from __future__ import annotations

import json
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtrain_plugins.schedules.plateau import Plateau
from tests.plugins.support import message_of


def factors(part, losses):
    """The factor after each loss."""
    result = []
    for loss in losses:
        part.observe(loss)
        result.append(part(0, 9, 0.0))
    return result


def test_waits_ten_epochs_and_falls_to_a_tenth_by_default():
    part = Plateau()
    assert factors(part, [1.0] * 11) == [1.0] * 10 + [0.1]
    assert factors(part, [1.0] * 10) == pytest.approx([0.1] * 9 + [0.01])
    assert (part.minimum_change, part.cooldown, part.minimum) == (1e-4, 0, 0.0)


def test_an_improvement_starts_the_waiting_anew():
    assert factors(Plateau(0.5, 2), [3, 3, 2, 2, 1, 1, 1, 1, 1]) == [1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.25]


def test_an_improvement_is_more_than_the_minimum_change():
    absolute = Plateau(0.5, 1, minimum_change=0.5, relative=False)
    assert factors(absolute, [2.0, 1.5, 1.25, 1.0]) == [1, 0.5, 0.5, 0.25]
    assert factors(Plateau(0.5, 1, minimum_change=0.25), [2.0, 1.5, 1.25, 1.0]) == [1, 0.5, 0.5, 0.25]
    assert factors(Plateau(0.5, 1), [2.0, 1.9999, 1.9997]) == [1, 0.5, 0.5]
    assert factors(Plateau(0.5, 1), [-2.0, -2.0001, -2.0003]) == [1, 0.5, 0.5]


LOSSES = [4, 3, 2.5, 2.4999, 2.4998, 2.49, 2.48999, 2.0, 2.1, 1.99995, 1.5, 1.4999, 1.49992, 1.2]


@pytest.mark.parametrize("scale", [2.0**power for power in range(-40, 41, 8)])  # 1e-12 … 1e12, exactly
@pytest.mark.parametrize("sign", [1, -1])
def test_decides_alike_at_every_scale(scale, sign):
    losses = LOSSES if sign > 0 else [loss - 5 for loss in LOSSES]
    expected = factors(Plateau(0.5, 2), losses)
    assert len(set(expected)) > 2  # it does fall
    assert factors(Plateau(0.5, 2), [scale * loss for loss in losses]) == expected


def test_a_threshold_in_units_of_the_loss_does_not():
    """The negative control of the test above."""
    tiny = [1e-6 * loss for loss in LOSSES]
    assert factors(Plateau(0.5, 2, relative=False), tiny) != factors(Plateau(0.5, 2, relative=False), LOSSES)


def test_no_number_is_no_improvement():
    assert factors(Plateau(0.5, 2), [nan, inf, 1.0, nan, nan]) == [1, 0.5, 0.5, 0.5, 0.25]


def test_epochs_of_the_cooldown_do_not_count_but_their_improvements_do():
    part = Plateau(0.5, 1, cooldown=2)
    assert factors(part, [1, 1, 1, 1, 1, 1]) == [1, 0.5, 0.5, 0.5, 0.25, 0.25]
    part = Plateau(0.5, 1, cooldown=2)
    assert factors(part, [4, 4, 3, 3, 3.5, 3.5, 2]) == [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert part.best == 2


def test_never_falls_below_the_minimum():
    assert factors(Plateau(0.1, 1, minimum=0.05), [1, 1, 1, 1]) == [1, 0.1, 0.05, 0.05]


def by_hand(losses, factor, patience, cooldown):
    """Looks back from each epoch at all before it, without running counts."""
    now, last, out = 1.0, -1, []  # last: the epoch from which waiting counts
    free = 0
    for epoch, loss in enumerate(losses):
        best_before = min(losses[:epoch], default=inf)
        if loss < best_before:
            last = epoch
        elif epoch >= free:
            last = max(last, free - 1)
            if epoch - last >= patience:
                now *= factor
                free, last = epoch + 1 + cooldown, epoch
        out.append(now)
    return out


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 4), st.integers(0, 3))
def test_agrees_with_a_look_at_the_whole_past(losses, patience, cooldown):
    got = factors(Plateau(0.5, patience, 0.0, cooldown), losses)
    assert got == by_hand(losses, 0.5, patience, cooldown)


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), max_size=30), st.integers(0, 30))
def test_goes_on_from_its_state(losses, cut):
    options = {"factor": 0.5, "patience": 2, "cooldown": 1}
    whole = factors(Plateau(**options), losses)
    first, second = Plateau(**options), Plateau(**options)
    start = factors(first, losses[:cut])
    second.load_state(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert second.state() == first.state()
    assert start + factors(second, losses[cut:]) == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 1.0}, "factor must be in (0, 1), got 1.0"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"minimum_change": -1.0}, "minimum_change must be at least 0, got -1.0"),
        ({"cooldown": -1}, "cooldown must be at least 0, got -1"),
        ({"minimum": 2.0}, "minimum must be in [0, 1], got 2.0"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    assert message_of(ValueError, lambda: Plateau(**options)) == message
