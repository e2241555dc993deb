"""Under mpirun: every registered part gives on the ranks of a real job what it gives on one.

Run by tests/test_mpirun.py on three ranks.
"""

from __future__ import annotations

import pytest

from dtrain.contracts import KINDS
from dtrain.testing import Failure, checks
from tests.testing.broken.split import BareMean

pytestmark = pytest.mark.mpi(min_size=3)


@pytest.fixture(scope="module")
def communicator():
    from dtrain.communicator import MpiCommunicator

    made = MpiCommunicator()
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_is_the_same_on_these_ranks(kind, communicator, acme):
    for name in acme.names(kind):
        for _, check in checks(kind, name, registry=acme, communicator=communicator):
            check()


def test_all_ranks_hear_of_a_failure(communicator):
    found = dict(checks("layers", BareMean, communicator=communicator))
    assert set(found) == {"split", "same_bits"}
    for check in found.values():
        with pytest.raises(Failure, match=r"context\.sum"):
            check()
