"""Whose mpirun it is, from what real ones print."""

from pathlib import Path

import pytest

from dtrain_launch.errors import LaunchError
from dtrain_launch.flavour import Flavour, detect, read_version

OPEN_MPI_5 = "mpirun (Open MPI) 5.0.11\n\nReport bugs to https://www.open-mpi.org/community/help/\n"
OPEN_MPI_4 = "mpirun (Open MPI) 4.1.8\n\nReport bugs to http://www.open-mpi.org/community/help/\n"
ORTERUN = "mpirun (OpenRTE) 4.0.3\n\nReport bugs to http://www.open-mpi.org/community/help/\n"
MPICH = """HYDRA build details:
    Version:                                 5.0.2
    Release Date:                            Fri Sep 25 20:45:26 UTC 2026
    CC:                              cc
    Configure options:                       --with-device=ch4:ucx,ofi --with-pm=hydra:gforker
    Process Manager:                         pmi
    Launchers available:                     ssh rsh fork slurm ll lsf sge manual persist
"""
INTEL = """Intel(R) MPI Library for Linux* OS, Version 2021.18.1 Build 20260626 (id: b44796a)
Copyright 2003-2026, Intel Corporation.
"""


@pytest.mark.parametrize(
    ("text", "family", "version"),
    [
        (OPEN_MPI_5, "open_mpi", (5, 0, 11)),
        (OPEN_MPI_4, "open_mpi", (4, 1, 8)),
        (ORTERUN, "open_mpi", (4, 0, 3)),
        ("mpirun (Open MPI) 5.1.0a1\n", "open_mpi", (5, 1, 0)),
        (MPICH, "mpich", (5, 0, 2)),
        (MPICH.replace("5.0.2", "4.2.0rc1"), "mpich", (4, 2, 0)),
        (INTEL, "intel", (2021, 18, 1)),
    ],
)
def test_family_and_version_are_read(text, family, version):
    assert read_version(text, Path("mpirun")) == (family, version)


def test_detection_asks_the_program_itself(fake):
    path = fake.write("", version=MPICH)
    assert detect(path, {}) == Flavour("mpich", (5, 0, 2), path)


def test_intels_own_starter_is_used_in_place_of_its_script(fake):
    path = fake.write("", version=INTEL)
    assert detect(path, {}).mpirun == path
    hydra = path.with_name("mpiexec.hydra")
    hydra.touch()
    assert detect(path, {}) == Flavour("intel", (2021, 18, 1), hydra)


def test_others_keep_their_mpirun_beside_an_mpiexec_hydra(fake):
    path = fake.write("", version=MPICH)
    path.with_name("mpiexec.hydra").touch()
    assert detect(path, {}).mpirun == path


def test_a_script_finds_the_programs_beside_it(tmp_path):
    beside = tmp_path / "mpiexec.hydra"
    beside.write_text(f"#!/bin/sh\necho '{INTEL.splitlines()[0]}'\n")
    script = tmp_path / "mpirun"
    script.write_text('#!/bin/sh\nmpiexec.hydra "$@"\n')
    for path in (beside, script):
        path.chmod(0o755)
    assert detect(script, {"PATH": "/usr/bin:/bin"}).family == "intel"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("\n  slurm 23.11\nmore\n", "'slurm 23.11'"),
        ("", "''"),
        ("mpirun (IBM Spectrum MPI) 10.4.0", "'mpirun (IBM Spectrum MPI) 10.4.0'"),
    ],
)
def test_an_unknown_mpi_is_refused_with_what_it_said(text, answer):
    with pytest.raises(LaunchError) as raised:
        read_version(text, Path("/opt/mpirun"))
    assert str(raised.value) == (
        "launch: expected the mpirun of Open MPI, MPICH or Intel MPI, got /opt/mpirun, "
        f"whose --version gave {answer}; name another with --mpirun"
    )


def test_a_file_that_is_no_program_is_refused(tmp_path):
    path = tmp_path / "mpirun"
    path.write_text("")
    path.chmod(0o755)
    with pytest.raises(LaunchError) as raised:
        detect(path, {})
    assert str(raised.value) == (
        f"launch: expected the mpirun of Open MPI, MPICH or Intel MPI, got {path}, "
        f"whose --version gave Exec format error; name another with --mpirun"
    )


def test_an_mpirun_that_does_not_say_what_it_is_is_not_waited_for(tmp_path):
    path = tmp_path / "mpirun"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    with pytest.raises(LaunchError) as raised:
        detect(path, {"PATH": "/usr/bin:/bin"}, patience=0.2)
    assert str(raised.value) == (
        f"launch: expected the mpirun of Open MPI, MPICH or Intel MPI, got {path}, "
        "whose --version gave nothing within 0.2 s; name another with --mpirun"
    )
