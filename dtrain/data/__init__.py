"""From a dataset to the rows of one rank's part of a global batch."""

from .batches import Batch, Batches
from .blocks import Block, Blocks
from .record import DataRecord, changed, changed_rows, record_of, rows_record
from .split import hold_out

__all__ = [
    "Batch",
    "Batches",
    "Block",
    "Blocks",
    "DataRecord",
    "changed",
    "changed_rows",
    "hold_out",
    "record_of",
    "rows_record",
]
