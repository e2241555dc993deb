"""Which name is meant: as other libraries, or people in a hurry, spell it."""

from __future__ import annotations

import pytest

from dtrain.errors import did_you_mean
from dtrain.nearest import nearest

NAMES = [
    "adamw", "average_pool2d", "batch_norm", "batch_size", "binary_cross_entropy", "conv1d", "conv2d",
    "conv2d_transpose",
    "cosine", "cross_entropy", "dense", "dropout", "he_normal", "l1_l2", "layer_norm", "leaky_relu", "lr", "max_pool2d",
    "metrics", "mse", "normal", "one_cycle", "relu", "rmsprop", "sgd", "softmax_cross_entropy", "top_k_accuracy",
]  # fmt: skip
MEANT = {
    "ReLU": "relu", "RELU": "relu", "LeakyReLU": "leaky_relu", "leaky-relu": "leaky_relu", "SGD": "sgd",
    "L1L2": "l1_l2",
    "RMSProp": "rmsprop", "AdamW": "adamw", "Dense": "dense", "OneCycleLR": "one_cycle", "Conv2D": "conv2d",
    "MSELoss": "mse", "mse_loss": "mse", "MeanSquaredError": "mse", "BCELoss": "binary_cross_entropy",
    "BinaryCrossentropy": "binary_cross_entropy", "SparseCategoricalCrossentropy": "softmax_cross_entropy",
    "BatchNorm1d": "batch_norm", "BatchNormalization": "batch_norm", "LayerNormalization": "layer_norm",
    "MaxPooling2D": "max_pool2d", "AvgPool2d": "average_pool2d", "ConvTranspose2d":
    "conv2d_transpose",
    "Dropout2d": "dropout", "CosineAnnealingLR": "cosine", "HeNormal": "he_normal", "RandomNormal": "normal",
    "learning_rate": "lr", "bs": "batch_size", "batchsize": "batch_size", "batch size": "batch_size",
    "metric": "metrics",
    "desne": "dense", "top_5_accuracy": "top_k_accuracy",
}  # fmt: skip


@pytest.mark.parametrize(("word", "name"), MEANT.items())
def test_the_name_that_is_meant_is_found(word, name):
    assert nearest(word, NAMES) == name


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_nearest_to_itself_however_it_is_written(name):
    assert nearest(name, NAMES) == name
    assert nearest(name.upper(), NAMES) == name
    assert nearest(name.title().replace("_", ""), NAMES) == name


@pytest.mark.parametrize("word", ["", "_", "!?", "quux", "x", "ähnlich", "42"])
def test_what_is_like_nothing_finds_nothing(word):
    assert nearest(word, NAMES) is None
    assert did_you_mean(word, NAMES) == ""


def test_an_alias_stands_for_a_name_that_is_there():
    aliases = {"Linear": "dense", "CrossEntropyLoss": "softmax_cross_entropy", "Other": "not_installed"}
    assert nearest("Linear", NAMES) is None
    assert nearest("linear", NAMES, aliases) == "dense"
    assert nearest("CrossEntropyLoss", NAMES) == "cross_entropy"
    assert nearest("cross_entropy_loss", NAMES, aliases) == "softmax_cross_entropy"
    assert nearest("Other", NAMES, aliases) is None
