"""What the doctor runs to know a config's size; a process of its own, because the data may take long to read:

python -P -m dtrain.doctor.model_probe CONFIG RANKS
"""

from __future__ import annotations

import signal
import sys
from math import prod

from dtrain.communicator import SerialCommunicator
from dtrain.config import load
from dtrain.errors import DtrainError
from dtrain.threads import set_threads

from .record import tell
from .world import Facts

LIFE = 60


def main(config: str, ranks: int) -> None:
    signal.alarm(LIFE)
    set_threads(1)
    try:
        tell("model", **numbers(config, ranks))
    except DtrainError as error:
        tell("model", error=str(error))


def numbers(source: str, ranks: int) -> Facts:
    """What `checks.memory.needed` wants to know of a config on this many ranks.

    Raises DtrainError for what is wrong with it.
    """
    import numpy as np

    from dtrain.engine import rank_ranges, resolve_shards
    from dtrain.engine.tree import cover
    from dtrain.trainer.job import build_job

    config = load(source)
    job = build_job(config, SerialCommunicator())
    shards = resolve_shards(config.train.shards, ranks)
    parameters = sum(parameter.size for parameter in job.network.parameters)
    itemsize = np.dtype(config.train.dtype).itemsize
    outputs = prod(job.network.input_shape) + sum(prod(node.shape) for node in job.network.nodes)
    return {
        "parameters": parameters,
        "bytes": parameters * itemsize,
        "slots": len(job.optimizer.slots),
        "nodes": max(len(cover(first, last, shards)) for first, last in rank_ranges(shards, ranks)),
        "outputs": outputs * itemsize,
        "rows": -(-min(config.train.batch_size, len(job.train)) // config.train.accumulate),
    }


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
