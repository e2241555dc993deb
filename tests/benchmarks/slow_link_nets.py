"""The nets of the slow-link benchmark, and the ways in which their ranks meet.

How the options were found: rates twice each other, each way by itself on seeds 0, 1, 2, ranks as threads; epochs until
97.5 % (looks 0.05 of an epoch apart, 0.1 for local_steps), means over the seeds:

    LeNet                     lr = 2e-3    4e-3
    one host                      0.32     0.35
    local_steps, 50               0.37     0.40

With half as many filters and 256 units instead of 128, one host alone, seeds 0 and 1: batch 60: 0.40 at 1e-3, 0.35 at
2e-3; batch 240: 0.60 at 2e-3, 0.55 at 4e-3; batch 120, seeds 0 to 3: 0.44 at 2e-3, 0.33 at 4e-3. So no smaller
or larger batch would make one host faster. With half as many filters, batch 120, 4e-3, seeds 0 to 3:

    one host                               0.36    (8e-3: 0.46)
    local_steps, 25                        0.41    (8e-3: 0.49)
    local_steps, 50                        0.40
    local_steps, 25, outer momentum 0.3    0.40    (momentum 0.4 at 2e-3: 0.48)
    top_k, 0.01                            0.61
    top_k, 0.04                            0.45

bf16, overlap and exact take as many epochs as one host.
"""

from __future__ import annotations

from tests.benchmarks.slow_link_jobs import Net, Way


def dense(units: int, activation: str | None = "relu") -> dict[str, object]:
    more = {"initializer": "he_normal", "activation": activation} if activation else {}
    return {"name": "dense", "units": units, **more}


def convolution(filters: int) -> dict[str, object]:
    return {
        "name": "conv2d",
        "filters": filters,
        "kernel": 5,
        "initializer": "he_normal",
        "activation": "relu",
    }


def ways(lr: float, interval: int, bucket: float) -> dict[str, Way]:
    """lr: of every way. interval: of local_steps. bucket: MiB, where buckets travel during the backward pass."""
    return {
        "one host": Way(1, lr),
        "local_steps": Way(2, lr, {"name": "local_steps", "interval": interval}, every=interval),
        "top_k": Way(2, lr, {"name": "top_k", "ratio": 0.04}),
        "bf16": Way(2, lr, {"name": "bf16", "bucket": bucket, "overlap": True}),
        "overlap": Way(2, lr, {"name": "overlap", "bucket": bucket}),
        "exact": Way(2, lr),
    }


NETS = {
    "lenet": Net(
        "LeNet",
        (
            {"name": "reshape", "shape": [28, 28, 1]},
            convolution(32),
            {"name": "max_pool2d"},
            convolution(64),
            {"name": "max_pool2d"},
            {"name": "flatten"},
            dense(128),
            dense(10, None),
        ),
        batch=120,
        every=25,
        first=100,
        ways=ways(2e-3, 50, 1 / 8),
    ),
    "dense": Net(
        "784-512-256-10",
        ({"name": "flatten"}, dense(512), dense(256), dense(10, None)),
        batch=250,
        every=60,
        first=240,
        ways=ways(2e-3, 120, 1 / 4),
    ),
}
