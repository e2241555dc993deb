"""What the jobs that are killed train, and how they are started."""

from __future__ import annotations

CONFIG = """
[data]
name = "digits"
validation = 0.2

[[network]]
name = "dense"
units = {units}
bias = false

[[network]]
name = "batch_norm"

[[network]]
name = "relu"

[[network]]
name = "dropout"
rate = 0.2

[[network]]
name = "dense"
units = 10

[loss]
name = "softmax_cross_entropy"

[optimizer]
name = "adam"
lr = 0.01

[[schedule]]
name = "cosine"

[train]
epochs = {epochs}
batch_size = 64
metrics = ["accuracy"]

[checkpoint]
steps = {steps}
"""
"""A net with batch norm, dropout and Adam; to be given units, epochs, and the steps between two checkpoints."""
