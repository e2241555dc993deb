"""Restarts, decided by what a run has written, with stand-ins for mpirun."""

import signal
import sys

import pytest

from dtrain_launch.attempts import without
from dtrain_launch.hosts import Host
from dtrain_launch.job import Job

TRAINER = """
words = sys.argv[sys.argv.index("train"):]
run = Path(words[words.index("--out") + 1])
note("resume" if "--resume" in words else "train")
def write(name):
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / (name + ".tmp")).write_text(name)
    (run / (name + ".tmp")).rename(run / name)
starts = (here / "log").read_text().split().count
def begin(step):
    write("config.toml")
    write(f"checkpoints/step-{step:010d}.safetensors")
"""
END = "write('summary.json')\n"


@pytest.fixture
def train(fake, start):
    """Runs `dtrain launch -n 2 … -- train --out RUN` to its end: its code, and what it said but the commands."""

    def train(body, *options, command=("train", "digits")):
        fake.write(TRAINER + body)
        run = str(fake.folder / "run")
        launcher = start(
            ["-n", "2", *options, "--mpirun", str(fake.path), "--", *command, "--out", run],
            DTRAIN_RESTART_SECONDS="0",
        )
        said = launcher.communicate()[1].replace(run, "RUN").splitlines()
        prefix = "dtrain: launch: "
        return launcher.returncode, [line.removeprefix(prefix) for line in said if line.startswith(prefix)]

    return train


NOT_ENDED = "RUN has no summary.json; go on with: dtrain launch -n N -- train --resume --out RUN"


def test_a_run_that_has_ended_is_done(train, fake):
    assert train("begin(3)\n" + END, "--restarts", "3") == (0, [])
    assert fake.log() == ["train"]


def test_mpiruns_zero_is_not_believed_without_the_runs_own_word(train):
    assert train("begin(3)") == (
        1,
        [f"mpirun ended with exit code 0, and the run has not ended: {NOT_ENDED}"],
    )


def test_a_run_that_has_ended_is_done_whatever_mpirun_says(train):
    said = "mpirun ended with exit code 137, but the run has ended before: RUN/summary.json is there"
    assert train("begin(3)\n" + END + "sys.exit(137)") == (0, [said])


def test_a_failure_without_restarts_is_left_to_those_who_failed(train):
    assert train("begin(3)\nsys.exit(9)") == (1, [])


@pytest.mark.parametrize(
    ("break_off", "how"),
    [
        ("sys.exit(137)", "mpirun ended with exit code 137"),
        ("sys.exit(0)", "mpirun ended with exit code 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "mpirun was ended by signal 9"),
    ],
)
def test_a_job_that_broke_off_goes_on_from_its_newest_checkpoint(train, fake, break_off, how):
    body = f"if starts('resume') == 0:\n    begin(120)\n    {break_off}\n"
    checkpoint = "RUN/checkpoints/step-0000000120.safetensors"
    said = f"{how}; restart 1 of 3 in 0 s, 2 ranks, from {checkpoint}"
    assert train(body + END, "--restarts", "3") == (0, [said])
    assert fake.log() == ["train", "resume"]


def test_a_job_that_broke_off_before_it_began_starts_anew(train, fake):
    code, said = train("if starts('train') == 1:\n    sys.exit(137)\n" + END, "--restarts", "3")
    assert (code, fake.log()) == (0, ["train", "train"])
    assert said == ["mpirun ended with exit code 137; restart 1 of 3 in 0 s, 2 ranks, from the beginning"]


def test_restarts_come_to_an_end(train, fake):
    code, said = train("begin(starts('train') + starts('resume'))\nsys.exit(0)", "--restarts", "2")
    assert (code, fake.log()) == (1, ["train", "resume", "resume"])
    steps = [f"RUN/checkpoints/step-{number:010d}.safetensors" for number in (1, 2)]
    assert said == [
        f"mpirun ended with exit code 0; restart 1 of 2 in 0 s, 2 ranks, from {steps[0]}",
        f"mpirun ended with exit code 0; restart 2 of 2 in 0 s, 2 ranks, from {steps[1]}",
        f"mpirun ended with exit code 0 after 2 restarts, and the run has not ended: {NOT_ENDED}",
    ]


@pytest.mark.parametrize("code", [2, 130, 143])
def test_a_mistake_and_an_interruption_are_no_reason_to_restart(train, fake, code):
    assert train(f"begin(3)\nsys.exit({code})", "--restarts", "3") == (code, [])
    assert fake.log() == ["train"]


def test_ctrl_c_is_no_reason_to_restart(fake, start, tmp_path):
    fake.write(TRAINER + "signal.signal(signal.SIGUSR1, lambda n, f: os._exit(9))\nnote('ready')\nwait()")
    words = ["-n", "2", "--restarts", "3", "--mpirun", str(fake.path)]
    launcher = start([*words, "--", "train", "--out", str(tmp_path / "run")])
    fake.wait_for("ready")
    launcher.send_signal(signal.SIGINT)
    launcher.communicate()
    assert (launcher.returncode, fake.log()) == (130, ["train", "ready"])


def test_ctrl_c_between_two_starts_is_heard(fake, start, tmp_path):
    fake.write(TRAINER + "sys.exit(9)")
    words = ["-n", "2", "--restarts", "3", "--mpirun", str(fake.path)]
    launcher = start([*words, "--", "train", "--out", str(tmp_path / "run")], DTRAIN_RESTART_SECONDS="600")
    while "restart 1 of 3 in 600 s" not in launcher.stderr.readline():
        pass
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate()
    assert (launcher.returncode, fake.log()) == (143, ["train"])


def test_with_logs_the_last_lines_are_those_of_the_rank_that_failed_first(fake, start):
    write = "(run / 'logs').mkdir(parents=True)\n(run / 'logs/rank-1.log').write_text('{}')\n"
    said = "loading\\nTraceback (most recent call last):\\nValueError: broken\\n"
    fake.write(TRAINER + write.format(said) + "sys.exit(1)")
    run = fake.folder / "run"
    launcher = start(["-n", "2", "--logs", "--mpirun", str(fake.path), "--", "train", "--out", str(run)])
    command, *lines = launcher.communicate()[1].splitlines()
    program = f" -n 2 {sys.executable} -P -m dtrain_launch.logged {run}/logs train --out {run}"
    assert (launcher.returncode, command.endswith(program)) == (1, True)
    assert lines == [
        f"dtrain: launch: the end of {run}/logs/rank-1.log, of the rank that failed first:",
        "loading",
        "Traceback (most recent call last):",
        "ValueError: broken",
    ]


@pytest.fixture
def agent(tmp_path):
    """Reaches every host before the start; after it, the host `good` alone."""
    path = tmp_path / "agent"
    path.write_text('#!/bin/sh\n[ "$1" = good -o "$2" != true ]\n')
    path.chmod(0o755)
    return str(path)


def test_hosts_that_cannot_be_reached_are_left_out(train, fake, agent):
    body = "note(sys.argv[sys.argv.index('--host') + 1] + '/' + sys.argv[sys.argv.index('-n') + 1])\n"
    body += "if starts('resume') == 0:\n    begin(120)\n    sys.exit(0)\n" + END
    hosts = ("--hosts", "good:2,bad:4,worse:2", "-n", "6")
    code, said = train(body, "--restarts", "3", "--rsh-agent", agent, *hosts)
    assert (code, fake.log()) == (0, ["train", "good:2,bad:4,worse:2/6", "resume", "good:2/2"])
    assert said == [
        "mpirun ended with exit code 0; bad, worse cannot be reached and are left out; restart 1 of 3 in 0 s, "
        "2 ranks, from RUN/checkpoints/step-0000000120.safetensors"
    ]


def test_without_any_host_there_is_no_restart(train, fake, agent):
    code, said = train("begin(3)\nsys.exit(9)", "--restarts", "3", "--rsh-agent", agent, "--hosts", "bad:2")
    assert (code, fake.log()) == (1, ["train"])
    assert said == [
        f"mpirun ended with exit code 9; no host can be reached, and the run has not ended: {NOT_ENDED}"
    ]


@pytest.mark.parametrize(("ranks", "left"), [(6, 6), (8, 6), (4, 4), (16, 12), (1, 1)])
def test_the_hosts_that_are_left_get_the_ranks_they_are_meant_for(ranks, left):
    hosts = (Host("a", 4), Host("b", 2), Host("c", 2))
    fewer = without(Job(ranks, ("train",), hosts=hosts), {"b"})
    assert (fewer.ranks, fewer.hosts) == (left, (hosts[0], hosts[2]))
