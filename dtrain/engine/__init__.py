"""The engine: shards, the tree, the context and its doors, the network, the exchange of gradients."""

from .context import Context
from .fitting import fits_at, learn
from .inference import InferenceContext, block_rows
from .maker import Maker
from .network import Network
from .replica import Replica
from .shards import Layout, rank_ranges, resolve_shards, shard_bounds

__all__ = [
    "Context",
    "InferenceContext",
    "Layout",
    "Maker",
    "Network",
    "Replica",
    "block_rows",
    "fits_at",
    "learn",
    "rank_ranges",
    "resolve_shards",
    "shard_bounds",
]
