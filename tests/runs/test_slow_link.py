"""Every exchange between two hosts on a slow link, by the benchmark's own harness."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks import reach
from tests.benchmarks.slow_link_jobs import Net, Way, config, run
from tests.namespaces import Hosts, why_not

NET = Net(
    "64-128-10",
    (
        {"name": "dense", "units": 128, "activation": "relu", "initializer": "he_normal"},
        {"name": "dense", "units": 10},
    ),
    batch=100,
    every=10**6,
)
EXCHANGES = {
    "exact": None,
    "overlap": {"name": "overlap", "bucket": 1 / 128},
    "bf16": {"name": "bf16"},
    "top_k": {"name": "top_k", "ratio": 0.05},
    "local_steps": {"name": "local_steps", "interval": 5},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Exchange → what a run of five epochs on two hosts has noted."""
    if reason := why_not() or (None if Path(sys.executable).with_name("mpirun").exists() else "no mpirun"):
        pytest.skip(reason)
    site = tmp_path_factory.mktemp("site")
    reach.install(site)
    with pytest.MonkeyPatch.context() as patch, Hosts(2, rate="100mbit") as hosts:
        patch.syspath_prepend(site)
        data = {"name": "digits", "validation": 0.2, "seed": 1}
        ways = {name: Way(2, 5e-3, exchange) for name, exchange in EXCHANGES.items()}
        return {name: run(hosts, way, config(NET, way, data, 1, 1.0, 5)) for name, way in ways.items()}


def test_overlap_comes_to_the_bits_of_the_exact_exchange_and_the_others_do_not(found):
    same = [name for name in found if found[name]["weights_sha256"] == found["exact"]["weights_sha256"]]
    assert same == ["exact", "overlap"]


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_learns_as_well_as_the_exact_one(found, name):
    assert found["exact"]["accuracy"] > 0.93
    assert found[name]["accuracy"] == pytest.approx(found["exact"]["accuracy"], abs=0.03)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("exact", 1.0),  # a half as gradients, a half as values
        ("overlap", 1.0),
        ("bf16", 0.5),
        ("top_k", 2 * 0.05),  # an index with each
        ("local_steps", 0.2),
    ],
)
def test_an_exchange_sends_as_many_bytes_as_it_says(found, name, numbers):
    """And some: the packets' headers, acknowledgements, figures of each step, validation."""
    expected = 4 * found[name]["parameters"] * numbers
    assert expected < found[name]["bytes_a_step"] < 1.1 * expected + 3000
