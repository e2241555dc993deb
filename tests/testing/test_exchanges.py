"""Every check of exchanges can fail: an exchange that is wrong in one way is caught by the check for it alone."""

from __future__ import annotations

import pytest

from dtrain.testing import checks
from dtrain.testing.table import specs_of
from tests.testing.broken_exchanges import BROKEN, RIGHT


def failures(part):
    """The ids of the checks that fail, with what they say."""
    found = {name: check.failure() for name, check in checks("exchanges", part)}
    return {name: str(failure) for name, failure in found.items() if failure is not None}


@pytest.mark.parametrize("part", RIGHT)
def test_nothing_is_wrong_with_a_right_exchange(part):
    assert failures(part) == {}


@pytest.mark.parametrize(("part", "ids"), BROKEN)
def test_a_broken_exchange_is_caught_by_its_check_alone(part, ids):
    found = failures(part)
    assert set(found) == ids, "\n".join(found.values())


def test_every_check_of_exchanges_has_a_broken_one():
    caught = {name for _, ids in BROKEN for name in ids}
    assert caught == {spec.id for spec in specs_of("exchanges")} - {"no_mpi"}  # which is shown elsewhere
