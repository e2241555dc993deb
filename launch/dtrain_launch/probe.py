"""Ask hosts by the remote shell whether they answer, and whether they have what a rank needs.

Before the start: mpirun waits for ever for a host that is silent, and says of one that refuses neither which
command failed nor what to do.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dtrain_launch.errors import LaunchError
from dtrain_launch.hosts import Host

SECONDS = 8.0
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5")
_AT_ONCE = 64
_OWN_SHELL = ("PRTE_MCA_plm_", "OMPI_MCA_plm_", "HYDRA_LAUNCHER", "I_MPI_HYDRA_BOOTSTRAP")

# What the line below exits with; a remote shell's own number is 255.
_NO_FOLDER, _NO_PYTHON, _NO_DTRAIN = 81, 82, 83
_LINE = f"""\
cd {{folder}} 2>/dev/null || exit {_NO_FOLDER}
test -x {{python}} || exit {_NO_PYTHON}
{{settings}} {{python}} -P -c 'import dtrain' || exit {_NO_DTRAIN}"""


class Answer(NamedTuple):
    """What a host said. code: None where it took too long."""

    code: int | None
    text: str = ""


def unreachable(hosts: Iterable[Host], agent: str | None, seconds: float = SECONDS) -> set[str]:
    """The names of the hosts on which `agent HOST true` fails or takes longer.

    Where there is no such program, nobody is known to be lost.
    """
    shell = remote_shell(agent)
    if shutil.which(shell[0]) is None:
        return set()
    answers = ask([host.name for host in hosts if not is_here(host.name)], shell, "true", seconds)
    return {name for name, answer in answers.items() if answer.code != 0}


def check_hosts(
    hosts: Iterable[Host],
    agent: str | None,
    folder: Path,
    python: str,
    environment: Mapping[str, str],
    seconds: float = SECONDS,
) -> None:
    """Raise LaunchError unless every host answers, has the folder, this Python, and dtrain in it.

    Where the user has told mpirun of another way to the hosts, nobody is asked.
    """
    away = [host.name for host in hosts if not is_here(host.name)]
    if not away or (agent is None and any(name.startswith(_OWN_SHELL) for name in environment)):
        return
    shell = remote_shell(agent)
    if shutil.which(shell[0]) is None:
        raise LaunchError(
            f"launch: expected a program that starts ranks on other hosts, got {shell[0]!r}, which is not there; "
            "install ssh, or name another with --rsh-agent"
        )
    kept = [f"{name}={value}" for name, value in environment.items() if name.startswith("PYTHON")]
    line = _LINE.format(
        folder=shlex.quote(str(folder)), python=shlex.quote(python), settings=shlex.join(["env", *kept])
    )
    answers = ask(away, shell, shlex.join(["sh", "-c", line]), seconds)
    wrong = {name: answer for name, answer in answers.items() if answer.code != 0}
    if wrong:
        name, answer = next(iter(wrong.items()))
        others = [other for other in wrong if other != name]
        also = f" (and {len(others)} more: {', '.join(others)})" if others else ""
        why = _why(answer, shlex.join([*shell, name, "true"]), folder, python, seconds)
        raise LaunchError(f"launch: host {name}{also}: {why}")


def ask(names: Sequence[str], shell: Sequence[str], line: str, seconds: float) -> dict[str, Answer]:
    """What `shell NAME line` comes to on each host; all have the same seconds, at most 64 at once."""
    deadline = time.monotonic() + seconds
    answers: dict[str, Answer] = {}
    for first in range(0, len(names), _AT_ONCE):
        started: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name in names[first : first + _AT_ONCE]:
                started[name] = _start([*shell, name, line])
            answers |= {name: _answer(process, deadline) for name, process in started.items()}
        finally:
            for process in started.values():
                _end(process)
    return answers


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """With what it has started itself: an agent is often a script."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _answer(process: subprocess.Popen[bytes], deadline: float) -> Answer:
    try:
        _, text = process.communicate(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Answer(None)
    return Answer(process.returncode, text.decode(errors="replace"))


def _why(answer: Answer, trial: str, folder: Path, python: str, seconds: float) -> str:
    words = [line.strip() for line in answer.text.splitlines() if line.strip()]
    last = words[-1] if words else f"exit code {answer.code}"
    works = f"`{trial}` has to work without a password; or leave the host out"
    if answer.code is None:
        return f"expected an answer within {seconds:g} s, got none; {works}"
    if answer.code == _NO_FOLDER:
        return (
            f"expected the working directory {folder}, got none that can be entered; all hosts have to share it: "
            "start where they do"
        )
    if answer.code == _NO_PYTHON:
        return (
            f"expected this Python, {python}, got none; install the same environment there, at the same path"
        )
    if answer.code == _NO_DTRAIN:
        return (
            f"expected dtrain in {python}, got: {last}; install the same environment there, at the same path"
        )
    return f"expected an answer, got: {last}; {works}"


def remote_shell(agent: str | None) -> tuple[str, ...]:
    """The words in front of a host and a command; ssh, without a password, where no agent is named."""
    return _SSH if agent is None else tuple(shlex.split(agent))


def is_here(name: str) -> bool:
    """Whether a host's name means this one."""
    own = os.uname().nodename
    return name in ("localhost", "127.0.0.1", own, own.partition(".")[0])
