"""Every check can fail: a part that is wrong in one way is caught by the check for it, and by no other."""

from __future__ import annotations

import pytest

from dtrain.testing import IDS, checks
from dtrain.testing.causes import causes
from dtrain.testing.table import FIRST
from tests.testing.broken import BROKEN
from tests.testing.broken.no_mpi_at_import import ImportsMpi
from tests.testing.broken.right import RIGHT
from tests.testing.broken.right_layers import Add, Embedding
from tests.testing.broken.same_bits import BareProduct


def failures(kind, part, **options):
    """The ids of the checks that fail, with what they say."""
    advice = options.pop("advice", False)
    found = {}
    for name, check in checks(kind, part, advice=advice, **options):
        failure = check.failure()
        if failure is not None:
            found[name] = str(failure)
    return found


@pytest.mark.parametrize(("kind", "part"), RIGHT, ids=lambda value: getattr(value, "__name__", value))
def test_nothing_is_wrong_with_a_right_part(kind, part):
    found = failures(kind, part, advice=part not in (Add, Embedding))  # written for reading, not for speed
    assert found == {}


@pytest.mark.parametrize(
    ("kind", "part", "ids"), [pytest.param(*row, id=f"{row[0]}.{row[1].__name__}") for row in BROKEN]
)
def test_a_broken_part_is_caught_by_its_check_alone(kind, part, ids):
    found = failures(kind, part, advice="scratch" in ids)
    if part is BareProduct and not found:
        pytest.skip("this BLAS gives a row the same bits in any product")
    every = {name for name, _ in checks(kind, part)} if FIRST in ids else set()  # others wait for it
    assert set(found) == ids | every, "\n".join(found.values())
    by_itself = {name for name, cause in causes(found).items() if not cause}
    assert by_itself == {part.__module__.rpartition(".")[2]}


def test_an_import_of_mpi_in_the_module_is_caught():
    assert set(failures("activations", ImportsMpi)) == {"no_mpi"}


def test_every_check_has_a_broken_part():
    assert {name for _, _, ids in BROKEN for name in ids} == set(IDS)


def test_a_broken_part_lies_in_the_file_of_a_check_that_finds_it():
    assert all(part.__module__.rpartition(".")[2] in ids for _, part, ids in BROKEN)
