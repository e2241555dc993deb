"""A config of as many different parts as one small net can hold: whatever one of them does to another is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

NETWORK: list[dict[str, Any]] = [
    {"name": "reshape", "shape": [8, 8, 1], "id": "image"},
    {"name": "gaussian_noise", "std": 0.05},
    {"name": "conv2d", "filters": 6, "kernel": 3, "padding": "same", "initializer": "he_normal", "bias": False},
    {"name": "batch_norm"},
    {"name": "relu"},
    {"name": "residual", "layers": [
        {"name": "conv2d", "filters": 6, "kernel": 3, "padding": "same", "groups": 2, "initializer": "orthogonal"},
        {"name": "group_norm", "groups": 3},
        "gelu",
    ]},
    {"name": "max_pool2d", "size": 2, "id": "pooled"},
    {"name": "conv2d_transpose", "filters": 3, "kernel": 2, "stride": 2, "initializer": "lecun_uniform"},
    {"name": "instance_norm"},
    {"name": "average_pool2d", "size": 2, "id": "back"},
    {"name": "parallel", "join": "concat", "branches": [
        ["mish", {"name": "conv2d", "filters": 2, "kernel": 1, "initializer": "truncated_normal"}],
        ["silu"],
        [],
    ]},
    {"name": "rms_norm"},
    {"name": "flatten"},
    {"name": "dense", "units": 21, "initializer": "he_uniform", "activation": "elu"},
    {"name": "prelu"},
    {"name": "layer_norm"},
    {"name": "activity_regularizer", "l1": 1e-4, "l2": 1e-3},
    {"name": "dropout", "rate": 0.2},
    {"name": "dense", "units": 13, "initializer": "glorot_normal"},
    {"name": "batch_norm", "momentum": 0.3},
    {"name": "softplus"},
    {"name": "dense", "units": 5},
]  # fmt: skip

CONFIG: dict[str, Any] = {
    "data": {
        "name": "npz",
        "path": "images.npz",
        "validation": 0.2,
        "transform": [
            {"name": "random_shift", "vertical": 1, "horizontal": 1},
            {"name": "random_flip"},
            {"name": "cutout", "size": 2},
            {"name": "noise", "std": 0.05},
            {"name": "mixup", "classes": 5},
        ],
    },
    "network": NETWORK,
    "loss": {
        "name": "softmax_cross_entropy",
        "label_smoothing": 0.1,
        "class_weights": [1.0, 2.0, 0.5, 1.5, 1.0],
    },
    "optimizer": {"name": "adamw", "lr": 0.01},
    "schedule": [{"name": "warmup", "length": 3, "then": "cosine"}],
    "regularizer": [
        {"name": "l2", "weight": 1e-3},
        {"name": "l1", "weight": 1e-4, "on": "biases"},
    ],
    "callback": [{"name": "early_stopping", "patience": 1, "metric": "accuracy"}],
    "train": {
        "epochs": 3,
        "batch_size": 48,
        "accumulate": 2,
        "clip_norm": 0.5,
        "metrics": ["accuracy", {"name": "top_k_accuracy", "k": 2}, "perplexity"],
    },
}


def write_images(path: Path) -> None:
    """131 images of a bright square in one of five places: batches of 48, 48 and 9, micro-batches of 24 and 4 or 5."""
    random = np.random.Generator(np.random.PCG64(4))
    y = np.arange(131) % 5
    x = random.normal(0, 0.3, (131, 8, 8)).astype(np.float32)
    for image, k in zip(x, y, strict=True):
        row, column = divmod(int(k), 3)
        image[3 * row : 3 * row + 3, 2 * column : 2 * column + 3] += 1
    np.savez(path, x=x, y=y)


def names_in(table: Any) -> Iterator[str]:
    """Yields the name of every part in a config, however deep."""
    if isinstance(table, dict):
        if "name" in table:
            yield table["name"]
        for key, value in table.items():
            if key in ("activation", "initializer", "then") and isinstance(value, str):
                yield value
            elif isinstance(value, (dict, list)):
                yield from names_in(value)
    elif isinstance(table, list):
        for value in table:
            yield from [value] if isinstance(value, str) else names_in(value)
