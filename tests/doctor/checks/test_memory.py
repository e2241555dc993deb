"""The estimate, and what is said of it."""

from __future__ import annotations

from dtrain.doctor.checks.memory import needed
from tests.doctor.support import GB, bad, healthy, judged

MODEL = {"parameters": 250_000_000, "bytes": GB, "slots": 2, "nodes": 2, "outputs": 1_000_000, "rows": 100}


def test_values_and_copies_are_one_a_host_and_gradients_one_a_rank_and_node():
    # values 1, gradients 2 ranks × 2 nodes, slots 2, their copy 3 (GB); 100 rows of 3 MB; 2 processes
    assert needed(MODEL, 2, 2, shared=True) == 10 * GB + 300_000_000 + 200_000_000
    # of four ranks on two hosts: values 2, gradients 4, half of the slots, the copy 3; half of the rows
    assert needed(MODEL, 2, 4, shared=False) == 10 * GB + 150_000_000 + 200_000_000


def test_what_fits():
    world = healthy()
    world.config, world.model = "net.toml", MODEL
    assert judged("memory", world)[0].text == (
        "node0: 12 GB of 16 GB free; net.toml (250,000,000 parameters) takes about 10.5 GB for 2 ranks"
    )


def test_what_is_tight_and_what_does_not_fit():
    world = healthy()
    world.config, world.model = "net.toml", MODEL
    world.here.facts["memory"]["free"] = 11 * GB
    assert [status for status, _ in bad("memory", world)] == ["warn"]
    world.here.facts["memory"]["free"] = 9 * GB
    assert [status for status, _ in bad("memory", world)] == ["fail"]


def test_a_containers_limit_counts():
    world = healthy()
    world.config, world.model = "net.toml", MODEL
    world.here.facts["memory"]["left"] = GB
    assert bad("memory", world)[0][1].startswith("node0: 1 GB left to this container or job, and net.toml")


def test_a_config_that_cannot_be_built_or_not_in_time():
    world = healthy()
    world.config, world.model = "net.toml", {"error": "[data]: no such folder"}
    assert bad("memory", world) == [("fail", "net.toml cannot be built: [data]: no such folder")]
    world.model = None
    assert bad("memory", world) == [("skip", "net.toml was not built in time; what it takes is not known")]
