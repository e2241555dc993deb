"""Jobs for schedulers, as whole texts in `jobs/`, and run by a real shell."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dtrain_launch.arguments import read_arguments
from dtrain_launch.batch import Request, clock, lsf, pbs, slurm
from dtrain_launch.errors import LaunchError
from dtrain_launch.kubernetes import mpi_job
from dtrain_launch.submit import job_text

JOBS = Path(__file__).with_name("jobs")
PYTHON = "/env/bin/python"
TRAIN = ("train", "digits", "--set", "data.path=my data", "--out", "runs/digits")
REQUEST = Request(
    name="digits",
    ranks=19,
    threads=2,
    seconds=5400,
    folder="/home/me/work",
    launch=(PYTHON, "-P", "-m", "dtrain", "launch", "-n", "19", "--threads", "2", "--restarts", "3", "--"),
    command=TRAIN,
    asked=("dtrain", "launch", "--to", "…", "-n", "19", "--", *TRAIN),
    run="runs/digits",
    per_host=8,
)
IN_POD = replace(REQUEST, launch=("dtrain", "launch", "-n", "19", "--restarts", "3", "--"))
WRITERS = {"slurm": slurm, "pbs": pbs, "lsf": lsf}
TEXTS = {name: write(REQUEST) for name, write in WRITERS.items()} | {"kubernetes": mpi_job(IN_POD)}


@pytest.mark.parametrize("scheduler", TEXTS)
def test_the_whole_text_of_a_job(scheduler):
    assert TEXTS[scheduler] == (JOBS / scheduler).read_text()


@pytest.mark.parametrize("scheduler", WRITERS)
def test_bash_accepts_the_script_and_its_options_stand_before_its_commands(scheduler):
    text = TEXTS[scheduler]
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
    lines = text.splitlines()
    options = [at for at, line in enumerate(lines) if re.match(r"#(SBATCH|PBS|BSUB) ", line)]
    commands = [at for at, line in enumerate(lines) if line and not line.startswith("#")]
    assert max(options) < min(commands)


@pytest.fixture
def shown(tmp_path):
    """Runs a script in which Python is a stand-in that prints its arguments; returns them."""
    stand_in = tmp_path / "python"
    stand_in.write_text(
        f"#!{sys.executable}\nimport json, os, sys\nprint(json.dumps([os.getppid(), *sys.argv[1:]]))\n"
    )
    stand_in.chmod(0o755)

    def shown(script: str) -> list:
        script = script.replace(PYTHON, str(stand_in)).replace("/home/me/work", str(tmp_path))
        return json.loads(
            subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
        )

    return shown


@pytest.mark.parametrize("scheduler", WRITERS)
def test_the_script_starts_the_launcher_and_submitted_again_goes_on(scheduler, shown, tmp_path):
    words = [*REQUEST.launch[1:], *TRAIN]
    assert shown(TEXTS[scheduler])[1:] == words
    (tmp_path / "runs/digits").mkdir(parents=True)
    (tmp_path / "runs/digits/config.toml").touch()
    assert shown(TEXTS[scheduler])[1:] == [*words, "--resume"]


@pytest.mark.parametrize("scheduler", ["slurm", "lsf"])
def test_the_launcher_takes_the_shells_place_where_the_signal_comes(scheduler, shown):
    assert shown(TEXTS[scheduler])[0] == os.getpid()


def test_under_pbs_the_signal_comes_from_timeout(shown):
    request = replace(REQUEST, seconds=61, launch=("sh", "-c", "trap 'exit 143' USR1; sleep 60 & wait", "--"))
    started = subprocess.run(["bash", "-c", pbs(request).replace("cd /home/me/work", "cd /")], check=False)
    assert started.returncode == 143


@pytest.mark.parametrize("word", ["--resume", "--overwrite"])
def test_a_command_that_says_how_to_go_on_is_left_as_it_is(word):
    text = slurm(replace(REQUEST, command=(*TRAIN, word)))
    assert text.endswith(f"--out runs/digits {word}\n")
    assert "resume=" not in text


def test_hosts_are_left_to_the_scheduler_unless_a_number_is_given():
    request = replace(REQUEST, per_host=None)
    assert "ntasks-per-node" not in slurm(request)
    assert "ptile" not in lsf(request)
    assert "#PBS -l select=19:ncpus=2:mpiprocs=1\n" in pbs(request)
    assert "slotsPerWorker: 1  #" in mpi_job(request)
    assert "#PBS -l select=2:ncpus=16:mpiprocs=8\n" in pbs(replace(REQUEST, ranks=16))
    assert "#PBS -l select=1:ncpus=6:mpiprocs=3\n" in pbs(replace(REQUEST, ranks=3))


@pytest.mark.parametrize(
    ("seconds", "text"), [(120, "00:02:00"), (5400, "01:30:00"), (360000, "100:00:00"), (3661, "01:01:01")]
)
def test_a_time_is_written_as_schedulers_read_it(seconds, text):
    assert clock(seconds) == text


def test_the_manifest_is_yaml_of_the_operators_form():
    spec = parse(TEXTS["kubernetes"])["spec"]
    launcher, worker = spec["mpiReplicaSpecs"]["Launcher"], spec["mpiReplicaSpecs"]["Worker"]
    (pod,) = worker["template"]["spec"]["containers"]
    assert (spec["slotsPerWorker"], worker["replicas"], pod["resources"]["limits"]["cpu"]) == (8, 3, 16)
    (pod,) = launcher["template"]["spec"]["containers"]
    assert pod["command"][:2] == ["bash", "-euc"]
    assert pod["command"][2].endswith("--set 'data.path=my data' --out runs/digits $resume\n")
    subprocess.run(["bash", "-n"], input=pod["command"][2], text=True, check=True)
    assert pod["env"] == [{"name": "DTRAIN_GRACE", "value": "50"}]


def test_a_name_that_kubernetes_would_refuse_is_changed():
    assert '\n  name: "my-net-2"\n' in mpi_job(replace(IN_POD, name="My_Net--2_"))
    assert '\n  name: "dtrain"\n' in mpi_job(replace(IN_POD, name="_"))


def parse(text: str):
    """The value of a YAML text in the block style of the manifest: its own small reader, for want of another."""
    lines = [
        re.sub(r"(^|\s)# .*", "", line).rstrip() if "exec " not in line else line
        for line in text.splitlines()
    ]
    lines = [line for line in lines if line]
    value, rest = _block(lines, 0)
    assert rest == []
    return value


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _block(lines, indent):
    if lines[0].lstrip().startswith("- "):
        items = []
        while lines and _indent(lines[0]) == indent and lines[0].lstrip().startswith("- "):
            first = " " * (indent + 2) + lines[0].lstrip()[2:]
            if first.strip() == "|":
                item, lines = _literal(lines[1:], indent)
            elif re.match(r"\s*\w+:( |$)", first):
                item, lines = _block([first, *lines[1:]], indent + 2)
            else:
                item, lines = _scalar(first.strip()), lines[1:]
            items.append(item)
        return items, lines
    table = {}
    while lines and _indent(lines[0]) == indent:
        name, _, value = lines[0].strip().partition(":")
        assert name not in table
        if value:
            table[name], lines = _scalar(value.strip()), lines[1:]
        else:
            table[name], lines = _block(lines[1:], _indent(lines[1]))
    return table, lines


def _literal(lines, indent):
    inner = _indent(lines[0])
    end = next((at for at, line in enumerate(lines) if _indent(line) <= indent), len(lines))
    return "".join(f"{line[inner:]}\n" for line in lines[:end]), lines[end:]


def _scalar(text):
    return json.loads(text) if re.fullmatch(r'\d+|".*"', text) else text


def job(*argv: str) -> str:
    return job_text(read_arguments(argv), argv, Path("/home/me"))


def test_the_job_is_made_from_the_same_options_that_would_start_it_here():
    text = job(
        *("--to", "slurm", "-n", "4", "--threads", "2", "--time", "0:30:00", "--per-host", "2"),
        *("--mpirun", "/opt/mpirun", "--rsh-agent", "/bin/agent", "--mpi-args", "-v --mca a b"),
        *("--recover", "--logs", "--restarts", "7", "--", "train", "my/net.toml"),
    )
    assert "#SBATCH --job-name=net\n" in text
    assert "#SBATCH --time=00:30:00\n" in text
    assert text.splitlines()[-1] == (
        f"exec {sys.executable} -P -m dtrain launch -n 4 --threads 2 --mpirun /opt/mpirun --rsh-agent /bin/agent "
        "'--mpi-args=-v --mca a b' --recover --logs --restarts 7 -- train my/net.toml --out runs/net $resume"
    )


def test_a_job_has_an_hour_and_three_restarts_unless_told_otherwise():
    text = job("--to", "slurm", "-n", "4", "--", "train", "--out", "here")
    assert "#SBATCH --time=01:00:00\n" in text
    assert text.endswith(" launch -n 4 --restarts 3 -- train --out here $resume\n")


def test_what_does_not_train_has_nothing_to_go_on_with():
    text = job("--to", "pbs", "-n", "4", "--", "evaluate", "runs/digits")
    assert "#PBS -N evaluate\n" in text
    assert text.endswith(" launch -n 4 -- evaluate runs/digits\n")


def test_in_a_pod_the_images_own_dtrain_is_started():
    text = job("--to", "kubernetes", "-n", "4", "--image", "me/dtrain:2", "--", "train")
    assert "exec dtrain launch -n 4 --restarts 3 -- train --out runs/digits $resume\n" in text
    assert text.count('image: "me/dtrain:2"\n') == 2


EXAMPLE = "for example: dtrain launch --to slurm -n 64 -- train digits"
TIME = (
    "launch --time: expected hours:minutes:seconds, at least 0:02:00, got {!r}; for example: --time 1:00:00"
)


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["--to", "sge", "-n", "4"], "launch --to: expected one of slurm, pbs, lsf, kubernetes, got 'sge'"),
        (["--to", "slurm"], f"launch --to: expected -n and a number of ranks, got no -n; {EXAMPLE}"),
        (
            ["--to", "slurm", "-n", "auto"],
            f"launch --to: expected -n and a number of ranks, got -n auto; {EXAMPLE}",
        ),
        (
            ["--to", "pbs", "-n", "4", "--hosts", "a:4"],
            "launch --to: expected no hosts, which the scheduler chooses, got --hosts or --hostfile",
        ),
        (
            ["-n", "4", "--per-host", "2"],
            "launch --per-host: expected --to with it, got none; for example: --to slurm",
        ),
        (["--to", "slurm", "-n", "4", "--time", "1:00"], TIME.format("1:00")),
        (["--to", "slurm", "-n", "4", "--time", "0:01:59"], TIME.format("0:01:59")),
        (
            ["--to", "lsf", "-n", "4", "--image", "x"],
            "launch --image: expected no image for lsf, got 'x'; leave the option out",
        ),
        (
            ["--to", "kubernetes", "-n", "4", "--time", "1:00:00"],
            "launch --time: expected a job without a time limit, which is what Kubernetes has, got '1:00:00'; "
            "leave the option out",
        ),
        (
            ["--to", "slurm", "-n", "4", "--mpirun", "a\nb"],
            "launch --to: expected words that can be printed in one line, got 'a\\nb'",
        ),
    ],
)
def test_a_mistake_is_answered_before_anything_is_printed(argv, error):
    with pytest.raises(LaunchError) as raised:
        job(*argv, "--", "train", "digits")
    assert str(raised.value) == error
