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

MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl": "^ofi",
    "OMPI_MCA_osc": "^ucx",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
