"""The nets of the slow-link benchmark, and the ways in which their ranks meet."""

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
        ways=ways(4e-3, 50, 1 / 8),
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
