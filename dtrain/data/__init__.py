"""From a dataset to the rows of one rank's part of a global batch."""

from .batches import Batch, Batches
from .blocks import Block, Blocks
from .split import hold_out

__all__ = ["Batch", "Batches", "Block", "Blocks", "hold_out"]
