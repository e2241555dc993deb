"""A plan between hosts that are there: network namespaces with a slow link."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.namespaces import Hosts, why_not


def test_the_network_between_two_hosts_is_measured(tmp_path):
    if reason := why_not() or (None if Path(sys.executable).with_name("mpirun").exists() else "no mpirun"):
        pytest.skip(reason)
    with Hosts(2, rate="200mbit") as hosts:
        words = ["plan", "digits", "--ranks", "2", "--hosts", ",".join(hosts.names), "--json"]
        settings = {**os.environ, "DTRAIN_RSH_AGENT": str(hosts.agent), "OMP_NUM_THREADS": "1"}
        process = hosts.start(hosts.names[0], hosts.dtrain(*words), tmp_path, settings)
        output, _ = process.communicate()
    assert process.returncode == 0, output
    told = json.loads(output.splitlines()[-1])
    assert [(row["ranks"], row["hosts"]) for row in told["rows"]] == [(1, 1), (2, 2)]
    network = told["links"]["network"]
    assert network["byte"] > 1 / 100e6  # a rate of 25 MB/s at best, and a metered line's burst beside
    assert network["exchange"] > 0
    assert told["rows"][1]["bytes"] > 100_000  # nearly the gradient and the values, half of each
