"""`dtrain plan`: the whole command, its JSON, what it is compared with, and its mistakes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.search(r"^<!-- plan -->\n```sh\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """As on a machine with two cores, and no run of any other test before."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})


def test_digits_on_8_and_1024_hosts(dtrain):
    ended = dtrain(
        "plan", "digits", "--ranks", "8,1024", "--network", "10gbit,50us", "--json", "--per-host", "1"
    )
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert [(row["ranks"], row["hosts"]) for row in told["rows"]] == [(1, 1), (8, 8), (1024, 1024)]
    first = told["rows"][0]
    assert (first["efficiency"], first["messages"], first["bytes"]) == (1.0, 0, 0)
    for row in told["rows"]:
        assert row["seconds"] > 0
        assert row["samples_per_second"] == pytest.approx(64 / row["seconds"])
        assert row["memory"] > 10_000_000
    assert told["links"]["network"]["byte"] == pytest.approx(0.8e-9)
    assert told["limit"] in (1, 8)
    assert told["rows"][2]["waiting"] > 0.5
    assert (
        0 < told["rows"][2]["messages"] - 1023 * 7 <= 10
    )  # seven allgathers, to each; partners in the exchange
    assert not Path("runs").exists()


def test_a_run_of_the_same_config_is_compared_with(dtrain):
    short = ["--set", "train.epochs=1"]
    assert dtrain("train", "digits", *short).code == 0
    (run,) = Path("runs").iterdir()
    found = dtrain("plan", "digits", "--ranks", "1").out  # how long it trains makes no other step
    assert "last measured: " in found
    assert f" ms a step on 1 rank in {run}; planned " in found
    assert "last measured" not in dtrain("plan", "digits", "--ranks", "1", "--set", "train.batch_size=65").out
    ended = dtrain("plan", "digits", "--ranks", "1", "--against", run, "--set", "train.batch_size=65")
    assert (ended.code, ended.err) == (
        2,
        f"dtrain: plan --against {run}: expected a run of this config, got one with another [train] batch_size\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--ranks", "2,x"],
            "argument --ranks: expected a whole number of at least 1, got 'x'; see `dtrain plan --help`",
        ),
        (
            ["--ranks", "2", "--network", "fast"],
            "plan --network: expected RATE,LATENCY such as 10gbit,50us (rates in kbit, mbit, gbit, MB/s, GB/s, …; "
            "times in ns, us, ms, s), got 'fast'",
        ),
        (
            ["--ranks", "8"],
            "plan: 8 ranks need 4 hosts of 2: expected the hosts, such as --hosts a:8,b:8, or their network, such as "
            "--network 10gbit,50us, got neither",
        ),
        (
            ["--hosts", "a:8,b:0"],
            "plan --hosts: expected a host and how many ranks it is meant for, got 'b:0'; for example: --hosts a:8,b:8",
        ),
        (
            ["--hosts", "a:8", "--per-host", "4"],
            "plan: expected one of --hosts, --hostfile and --per-host, got two; leave one out",
        ),
        (
            ["--hosts", "a:8", "--hostfile", "f"],
            "plan: expected one of --hosts, --hostfile and --per-host, got two; leave one out",
        ),
        (
            ["--ranks", "8", "--network", "1gbit,1us", "--set", "train.shards=4"],
            "[train] shards: expected at least one shard a rank, got 4 shards for 8 ranks; start at most 4 ranks, or "
            "raise shards (the result then changes within rounding)",
        ),
        (
            ["--ranks", "1", "--against", "nowhere"],
            "plan --against nowhere: expected the folder of a finished run, got No such file or directory",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_2_and_one_line(arguments, message, dtrain):
    ended = dtrain("plan", "digits", *arguments)
    assert (ended.code, ended.out, ended.err) == (2, "", f"dtrain: {message}\n")


def test_it_is_refused_under_mpirun(dtrain, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    ended = dtrain("plan", "digits", "--ranks", "2")
    assert (ended.code, ended.err) == (
        2,
        "dtrain: plan: expected one process, which starts all ranks by itself, got mpirun; leave it out\n",
    )


def test_the_readme_does_what_it_says(dtrain):
    (line,) = (line for line in BLOCK[1].splitlines() if "--hosts" not in line)
    ended = dtrain(*shlex.split(line)[1:], "--ranks", "2")
    assert ended.code == 0, ended.err
    head, *rows = ended.out.split("\n\n")[1].splitlines()
    assert head.split()[:5] == ["ranks", "hosts", "step", "samples/s", "speed-up"]
    assert [row.split()[:2] for row in rows] == [["1", "1"], ["2", "1"]]
    assert ended.out.splitlines()[-1].startswith("advice: take ")
