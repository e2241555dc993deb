"""From a plain `pytest`: the tests that need several processes, under mpirun."""

from __future__ import annotations

from pathlib import Path

import pytest

from dtrain.communicator.environment import launched

pytestmark = pytest.mark.skipif(launched() is not None, reason="already under mpirun")

HERE = Path(__file__).parent
# pytest-mpi skips all that lies in a folder called mpi without --with-mpi, so the suite that also runs
# without processes lies elsewhere.
UNDER_MPIRUN = ("mpi", "communicator/test_communicators.py", "testing/test_on_ranks.py")


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_the_tests_pass_under_mpirun(mpirun, ranks):
    pytest_options = ["-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "--with-mpi"]
    job = mpirun(
        ranks, ["-m", "mpi4py", *pytest_options, *(str(HERE / path) for path in UNDER_MPIRUN)], timeout=400
    )
    if job.code:
        pytest.fail(f"{ranks} ranks: exit code {job.code}\n{job.output}", pytrace=False)
    assert " passed" in job.output
