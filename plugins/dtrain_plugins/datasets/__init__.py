"""Every built-in dataset, by the name that a config gives it."""

from __future__ import annotations

from dtrain import Dataset, hookimpl

from .csv import Csv
from .digits import Digits
from .idx import Idx
from .npy import Npy
from .npz import Npz


@hookimpl(trylast=True)
def dtrain_datasets() -> dict[str, type[Dataset]]:
    return {"csv": Csv, "digits": Digits, "idx": Idx, "npy": Npy, "npz": Npz}
