"""From a dataset to the rows of one rank's part of a global batch."""

from .batches import Batch, Batches
from .record import ArrayRecord, DataRecord, RowsRecord, changed, changed_rows, record_of
from .split import hold_out

__all__ = [
    "ArrayRecord",
    "Batch",
    "Batches",
    "DataRecord",
    "RowsRecord",
    "changed",
    "changed_rows",
    "hold_out",
    "record_of",
]
