"""Hosts are asked through the remote shell before anything starts there; each answer with its whole text."""

import shlex
import socket
import sys
import time
from pathlib import Path

import pytest

from dtrain_launch.errors import LaunchError
from dtrain_launch.hosts import Host
from dtrain_launch.probe import ask, check_hosts, unreachable


@pytest.fixture
def agent(tmp_path: Path) -> str:
    """Reaches `good`, is refused by `bad`, and waits for `slow`."""
    path = tmp_path / "agent"
    path.write_text(
        '#!/bin/sh\ncase $1 in good) shift; exec sh -c "$*";; slow) exec sleep 60;; esac\n'
        "echo 'Pseudo-terminal will not be allocated.' >&2\necho \"$1: no route to host\" >&2\nexit 255\n"
    )
    path.chmod(0o755)
    return str(path)


def asked(agent: str, *names: str, folder: Path = Path("/"), python: str = sys.executable, **settings: str):
    hosts = [Host(name, 2) for name in names]
    check_hosts(hosts, agent, folder, python, {"PATH": "/usr/bin:/bin", **settings}, seconds=3.0)


def refusal(*arguments, **options) -> str:
    with pytest.raises(LaunchError) as raised:
        asked(*arguments, **options)
    return str(raised.value)


def test_a_host_that_refuses_or_does_not_answer_in_time_is_lost(agent):
    hosts = [Host("good"), Host("bad"), Host("slow"), Host(socket.gethostname()), Host("localhost")]
    began = time.monotonic()
    assert unreachable(hosts, agent, seconds=1.0) == {"bad", "slow"}
    assert time.monotonic() - began < 30


def test_without_a_remote_shell_nobody_is_known_to_be_lost():
    assert unreachable([Host("a")], "/no/such/agent") == set()


def test_hosts_that_have_all_are_let_through(agent, environment, tmp_path):
    odd = tmp_path / "it's a $folder"
    odd.mkdir()
    asked(agent, "good", "localhost", folder=odd, PYTHONPATH=environment["PYTHONPATH"])


def test_a_host_that_refuses_is_named_with_its_last_words(agent):
    works = f"`{agent} bad true` has to work without a password; or leave the host out"
    assert refusal(agent, "good", "bad") == (
        f"launch: host bad: expected an answer, got: bad: no route to host; {works}"
    )
    assert refusal(agent, "bad", "worse") == (
        f"launch: host bad (and 1 more: worse): expected an answer, got: bad: no route to host; {works}"
    )


def test_a_host_that_is_silent_is_named(agent):
    assert refusal(agent, "slow") == (
        f"launch: host slow: expected an answer within 3 s, got none; `{agent} slow true` has to work without a "
        "password; or leave the host out"
    )


def test_a_host_without_the_folder_the_python_or_dtrain_is_named(agent, tmp_path):
    where = "install the same environment there, at the same path"
    assert refusal(agent, "good", folder=tmp_path / "none") == (
        f"launch: host good: expected the working directory {tmp_path}/none, got none that can be entered; all hosts "
        "have to share it: start where they do"
    )
    assert refusal(agent, "good", python="/no/such/python") == (
        f"launch: host good: expected this Python, /no/such/python, got none; {where}"
    )
    (tmp_path / "dtrain.py").write_text("raise ImportError('of another kind')")
    assert refusal(agent, "good", PYTHONPATH=str(tmp_path)) == (
        f"launch: host good: expected dtrain in {sys.executable}, got: ImportError: of another kind; {where}"
    )


def test_a_remote_shell_that_is_not_there_is_named():
    assert refusal("/no/such/agent -q", "a") == (
        "launch: expected a program that starts ranks on other hosts, got '/no/such/agent', which is not there; "
        "install ssh, or name another with --rsh-agent"
    )


def test_nobody_is_asked_about_this_machine_or_past_the_users_own_way():
    asked("/no/such/agent", "localhost", socket.gethostname())
    check_hosts([Host("a")], None, Path("/"), "python", {"PRTE_MCA_plm_ssh_agent": "mine"})


def test_many_hosts_are_asked_in_turns(agent, monkeypatch):
    monkeypatch.setattr("dtrain_launch.probe._AT_ONCE", 2)
    names = ["good", "bad", "worse", "worst", "good"]
    found = ask(names, shlex.split(agent), "exit 3", 20.0)
    assert {name: answer.code for name, answer in found.items()} == {
        "good": 3, "bad": 255, "worse": 255, "worst": 255,
    }  # fmt: skip
