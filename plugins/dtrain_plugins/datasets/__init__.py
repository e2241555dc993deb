"""Every built-in dataset, by the name that a config gives it."""

from __future__ import annotations

from dtrain import Dataset, hookimpl

from .autoencode import Autoencode
from .breast_cancer import BreastCancer
from .csv import Csv
from .curve import Curve
from .diabetes import Diabetes
from .digits import Digits
from .idx import Idx
from .iris import Iris
from .linnerud import Linnerud
from .npy import Npy
from .npz import Npz


@hookimpl(trylast=True)
def dtrain_datasets() -> dict[str, type[Dataset]]:
    return {
        "autoencode": Autoencode,
        "breast_cancer": BreastCancer,
        "csv": Csv,
        "curve": Curve,
        "diabetes": Diabetes,
        "digits": Digits,
        "idx": Idx,
        "iris": Iris,
        "linnerud": Linnerud,
        "npy": Npy,
        "npz": Npz,
    }
