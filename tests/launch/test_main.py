"""The command as users call it."""

import os
import pty
import subprocess
import sys

import pytest

import dtrain_launch


def test_a_dry_run_prints_the_command_on_stdout_and_starts_nothing(fake, start):
    path = fake.write("note('started')")
    launcher = start(["-n", "3", "--dry-run", "--mpirun", str(path), "--", "evaluate", "digits"])
    out, err = launcher.communicate()
    assert launcher.returncode == 0
    assert err == ""
    assert out.count("\n") == 1
    rest = f" -n 3 {sys.executable} -P -m dtrain evaluate digits\n"
    assert out.endswith(f"{path} --bind-to none --map-by :OVERSUBSCRIBE{rest}")
    assert fake.log() == []


def test_a_run_prints_the_same_command_on_stderr(fake, start):
    path = fake.write("print('ran')")
    words = ["--mpirun", str(path), "--", "evaluate", "digits"]
    dry, _ = start(["-n", "3", "--dry-run", *words]).communicate()
    out, err = start(["-n", "3", *words]).communicate()
    assert (out, err) == ("ran\n", dry)


@pytest.mark.skipif(os.getuid() != 0, reason="only root is refused by Open MPI")
def test_root_is_permitted(fake, start):
    path = fake.write("")
    out, _ = start(["-n", "1", "--dry-run", "--mpirun", str(path), "--", "train"]).communicate()
    assert out.startswith("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl='^ofi'")


def test_a_terminal_on_stderr_asks_the_ranks_for_a_progress_bar(fake, environment):
    path = fake.write("")
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "dtrain_launch", "-n", "1", "--dry-run"]
    command += ["--mpirun", str(path), "--", "train"]
    try:
        lines = [
            subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True).stdout
            for stderr in (terminal, subprocess.DEVNULL)
        ]
    finally:
        os.close(controller)
        os.close(terminal)
    assert ["DTRAIN_PROGRESS=bar" in line for line in lines] == [True, False]


def test_help_shows_the_options_and_an_example(capsys):
    assert dtrain_launch.main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for words in (
        "-n N",
        "--threads K",
        "--recover",
        "--restarts K",
        "--dry-run",
        "--mpirun PATH",
        "--mpi-args",
        "DTRAIN_GRACE",
    ):
        assert words in out
    assert "dtrain launch -n 4 -- train digits" in out


def test_a_mistake_is_one_line_and_code_2(capsys):
    assert dtrain_launch.main(["-n", "none", "--", "train"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "dtrain: launch -n: expected a whole number, at least 1, got 'none'; "
        "for example: dtrain launch -n 4 -- train digits\n"
    )


def test_a_wrong_grace_is_said_before_anything_starts(fake, start):
    fake.write("note('started')")
    launcher = start(DTRAIN_GRACE="soon")
    out, err = launcher.communicate()
    assert (launcher.returncode, out, fake.log()) == (2, "", [])
    assert err == (
        "dtrain: launch: DTRAIN_GRACE: expected a number of seconds, at least 0, got 'soon'; "
        "for example: DTRAIN_GRACE=60\n"
    )


def test_an_mpirun_on_path_is_found_for_a_python_without_mpi(fake, start):
    path = fake.write("")
    words = ["-n", "1", "--dry-run", "--", "train"]
    # A library named without its folder is left to the loader: the environment's own is not used.
    out, _ = start(words, PATH=f"{fake.folder}:{os.environ['PATH']}", MPI4PY_LIBMPI="libmpi.so").communicate()
    assert f" {path} " in out


def test_only_the_standard_library_is_imported(environment):
    code = "import sys, dtrain_launch; print(*{name.partition('.')[0] for name in sys.modules})"
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    ours = set(answer.stdout.split()) - set(sys.stdlib_module_names)
    assert "dtrain_launch" in ours
    assert ours.isdisjoint({"dtrain", "dtrain_plugins", "numpy", "mpi4py", "pluggy"})
