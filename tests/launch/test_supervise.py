"""Signals, exit codes and the end of every process, with stand-ins for mpirun."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dtrain_launch.supervise import End

LISTEN = """
signal.signal(signal.SIGUSR1, {USR1})
signal.signal(signal.SIGTERM, {TERM})
note("ready")
wait()
"""
# Handlers of the stand-in: note the signal and leave, or note it and stay.
LEAVE = "lambda n, f: (noting(n, f), os._exit(7))"
STAY = "noting"

CHILD = """
def child(name, *handlers):
    '''A grandchild in another session, whose parent leaves at once; its number in the file `name`.'''
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in handlers:
                signal.signal(number, noting)
            (here / "new").write_text(str(os.getpid()))
            (here / "new").rename(here / name)
            wait()
        os._exit(0)
    wait_for_file = here / name
    while not wait_for_file.exists():
        time.sleep(0.02)
"""


def listener(usr1: str, term: str) -> str:
    return LISTEN.format(USR1=usr1, TERM=term)


@pytest.mark.parametrize(
    ("status", "code"),
    [(0, 0), (2, 2), (1, 1), (3, 1), (9, 1), (130, 130), (137, 1), (143, 143), (213, 1), (255, 1), (-9, 1)],
)
def test_the_codes_of_every_mpi_become_dtrains_own(status, code):
    assert End(status).code == code


@pytest.mark.parametrize("status", [0, 1, 2, 130, -10])
def test_a_signal_received_decides_the_code(status):
    assert End(status, signal.SIGINT).code == 130
    assert End(status, signal.SIGTERM).code == 143


@pytest.mark.parametrize(("status", "code"), [(0, 0), (2, 2), (9, 1)])
def test_the_end_of_mpirun_is_the_end_of_the_launcher(fake, start, status, code):
    fake.write(f"sys.exit({status})")
    assert start().wait() == code


def test_an_mpirun_killed_from_outside_is_a_failure(fake, start):
    fake.write("os.kill(os.getpid(), signal.SIGKILL)")
    assert start().wait() == 1


def test_what_mpirun_prints_is_seen(fake, start):
    fake.write("print('a rank speaks'); print('unknown option', file=sys.stderr); sys.exit(213)")
    launcher = start()
    out, err = launcher.communicate()
    assert out == "a rank speaks\n"
    assert err.splitlines()[1:] == ["unknown option"]
    assert launcher.returncode == 1


def test_mpirun_starts_in_a_session_of_its_own_without_stdin_and_with_free_signals(fake, start):
    fake.write(
        "import json\n"
        "blocked = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
        "print(json.dumps([os.getsid(0) == os.getpid(), os.readlink('/proc/self/fd/0'), blocked]))"
    )
    assert json.loads(start().communicate()[0]) == [True, "/dev/null", []]


def test_threads_reach_the_ranks_through_the_environment(fake, start):
    fake.write("print(os.environ['DTRAIN_THREADS'])")
    launcher = start(["-n", "2", "--threads", "3", "--mpirun", str(fake.path), "--", "evaluate"])
    assert launcher.communicate()[0] == "3\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGUSR1, 143)],
)
def test_a_signal_is_passed_on_as_sigusr1(fake, start, number, code):
    fake.write(listener(LEAVE, STAY))
    launcher = start()
    fake.wait_for("ready")
    launcher.send_signal(number)
    _, err = launcher.communicate()
    assert launcher.returncode == code
    assert fake.log() == ["ready", "SIGUSR1"]
    assert err.splitlines()[1:] == [
        "dtrain: launch: asked the ranks to save and leave, waiting 10 s; Ctrl-C again ends them at once"
    ]


def test_ranks_that_do_not_leave_in_time_are_terminated(fake, start):
    fake.write(listener(STAY, LEAVE))
    launcher = start(DTRAIN_GRACE="1")
    fake.wait_for("ready")
    launcher.send_signal(signal.SIGTERM)
    _, err = launcher.communicate()
    assert launcher.returncode == 143
    assert fake.log() == ["ready", "SIGUSR1", "SIGTERM"]
    assert err.splitlines()[2:] == ["dtrain: launch: the ranks are still there, terminating them"]


def test_what_withstands_termination_is_killed_with_all_its_descendants(fake, start):
    fake.write(CHILD + "child('stubborn', signal.SIGTERM)\n" + listener(STAY, STAY))
    launcher = start(DTRAIN_GRACE="1")
    fake.wait_for("ready")
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait() == 130
    assert {"SIGUSR1", "SIGTERM"} <= set(fake.log())
    assert not fake.is_alive("stubborn")


def test_a_second_ctrl_c_does_not_wait(fake, start):
    fake.write(listener(STAY, LEAVE))
    launcher = start(DTRAIN_GRACE="600")
    fake.wait_for("ready")
    launcher.send_signal(signal.SIGINT)
    fake.wait_for("SIGUSR1")
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait() == 130
    assert fake.log() == ["ready", "SIGUSR1", "SIGTERM"]


def test_a_second_sigterm_waits_and_the_first_signal_names_the_code(fake, start):
    fake.write(f"signal.signal(signal.SIGUSR1, {STAY})\nnote('ready')\nwait('leave')\nnote('left')\n")
    launcher = start(DTRAIN_GRACE="600")
    fake.wait_for("ready")
    launcher.send_signal(signal.SIGTERM)
    fake.wait_for("SIGUSR1")
    launcher.send_signal(signal.SIGTERM)
    launcher.send_signal(signal.SIGHUP)
    fake.wait_until(lambda: not pending(launcher.pid), "the launcher to fetch its signals")
    (fake.folder / "leave").touch()
    assert launcher.wait() == 143
    assert fake.log() == ["ready", "SIGUSR1", "left"]


def pending(pid: int) -> bool:
    """Whether a signal waits for the process."""
    with open(f"/proc/{pid}/status") as status:
        (line,) = [line for line in status if line.startswith("ShdPnd:")]
    return int(line.split()[1], 16) != 0


def test_under_nohup_a_lost_terminal_is_no_reason_to_stop(fake, start):
    fake.write(listener(LEAVE, STAY))
    launcher = start(prefix=("nohup",))
    fake.wait_for("ready")
    launcher.send_signal(signal.SIGHUP)
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait() == 130


def test_in_the_background_of_a_script_ctrl_c_is_heard_all_the_same(fake, start):
    fake.write(listener(LEAVE, STAY))
    launcher = start(prefix=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    fake.wait_for("ready")
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait() == 130


@pytest.mark.parametrize("handlers", ["", ", signal.SIGTERM"], ids=["plain", "ignores SIGTERM"])
def test_a_daemon_that_a_rank_leaves_behind_is_ended(fake, start, handlers):
    fake.write(CHILD + f"child('daemon'{handlers})\n")
    assert start().wait() == 0
    assert not fake.is_alive("daemon")


def test_ranks_orphaned_by_the_loss_of_mpirun_are_ended(fake, start):
    fake.write(CHILD + "child('rank')\nos.kill(os.getpid(), signal.SIGKILL)")
    assert start().wait() == 1
    assert not fake.is_alive("rank")


def test_mpirun_is_told_when_the_launcher_is_killed(fake, start):
    fake.write(listener(STAY, LEAVE))
    launcher = start()
    fake.wait_for("ready")
    launcher.send_signal(signal.SIGKILL)
    fake.wait_for("SIGTERM")


def test_without_the_launcher_the_daemon_stays(fake):
    """The control of the tests above: the stand-in does leave one behind."""
    fake.write(CHILD + "child('daemon')\n")
    assert subprocess.run([sys.executable, str(fake.path)], check=False).returncode == 0
    assert fake.is_alive("daemon")
    os.kill(int((fake.folder / "daemon").read_text()), signal.SIGKILL)


def test_a_job_that_is_over_is_not_waited_for_when_mpirun_goes_on(fake, start):
    """As Open MPI's does while a host is out of reach; a rank has written why the job ends."""
    fake.write(
        "signal.signal(signal.SIGTERM, noting)\nnote('ready')\n"
        "Path(os.environ['DTRAIN_REPORT']).write_text('[]')\nwait()\n"
    )
    words = ["--hosts", "localhost:2", "--mpirun", str(fake.path), "--", "evaluate", "x"]
    launcher = start(words)
    _, err = launcher.communicate(timeout=30)
    assert (launcher.returncode, fake.log()) == (1, ["ready", "SIGTERM"])
    assert "dtrain: launch: the job is over, but mpirun still waits for a host; ending it" in err
    assert not [*Path.cwd().glob(".dtrain-*")]


def test_an_mpirun_that_ends_after_the_report_is_left_alone(fake, start):
    fake.write("Path(os.environ['DTRAIN_REPORT']).write_text('[]')\ntime.sleep(2)\nsys.exit(2)\n")
    launcher = start(["--hosts", "localhost:2", "--mpirun", str(fake.path), "--", "evaluate", "x"])
    _, err = launcher.communicate(timeout=30)
    assert launcher.returncode == 2
    assert "still waits" not in err


def test_an_mpirun_that_had_to_be_ended_is_no_stop_that_somebody_wanted():
    ended = End(143, overdue=True)
    assert (ended.code, ended.wanted, str(ended)) == (1, False, "mpirun had to be ended")
