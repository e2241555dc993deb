"""The dataset `npz`."""

from __future__ import annotations

import zipfile
from pathlib import Path

from dtrain import DataError, Dataset

from .checks import Named, check_alike, reading, rows_of
from .npy_format import read_array

_EXPECTED = "an archive written by numpy.savez"
_NAMES = ("x", "y", "x_validation", "y_validation")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes


class Npz(Dataset):
    """Arrays of one `.npz` file, as `numpy.savez` and `savez_compressed` write them.

    path: the file. Its arrays:
        x (n, …): samples; uint8 means images, scaled to [0, 1] when a batch is cut.
        y (n, …): targets; may be missing (pretraining).
        x_validation (m, …), y_validation (m, …): samples to validate on; may be missing.
    Everything is read into memory in its stored dtype.

    Raises DataError for a damaged archive, an array that is missing or does not fit the others, a dtype other
    than bool, integers and floats, and a float that is not finite. Nothing is ever unpickled.
    """

    def __init__(self, path: Path) -> None:
        with reading(path, _EXPECTED):
            arrays = _read(path)
        _check_names(path, arrays)
        x, y = arrays["x"], arrays.get("y")
        self.train = rows_of(x, y)
        if "x_validation" in arrays:
            x_validation, y_validation = arrays["x_validation"], arrays.get("y_validation")
            self.validation = rows_of(x_validation, y_validation)
            check_alike(x, x_validation, x=True)
            if y is not None and y_validation is not None:
                check_alike(y, y_validation, x=False)


def _read(path: Path) -> dict[str, Named]:
    with zipfile.ZipFile(path) as archive:
        arrays = {}
        found = archive.namelist()
        for name in _NAMES:
            member = f"{name}.npy"
            if member not in found:
                continue
            where = f"{path}, array {name!r}"
            if archive.getinfo(member).compress_type not in _METHODS:
                raise DataError(
                    f"{where}: expected {_EXPECTED}, got another kind of compression; save it again"
                )
            with archive.open(member) as file:
                arrays[name] = Named(read_array(file, where), where)
        if "x" not in arrays:
            got = ", ".join(repr(name.removesuffix(".npy")) for name in found[:8]) or "none"
            raise DataError(
                f"{path}: expected arrays 'x' and 'y' (and maybe 'x_validation', 'y_validation'), got {got}"
                f"{', …' if len(found) > 8 else ''}; save it with numpy.savez(path, x=…, y=…)"
            )
        return arrays


def _check_names(path: Path, arrays: dict[str, Named]) -> None:
    if "y_validation" in arrays and "x_validation" not in arrays:
        missing, present = "x_validation", "y_validation"
    elif "x_validation" in arrays and "y" in arrays and "y_validation" not in arrays:
        missing, present = "y_validation", "x_validation"
    else:
        return
    raise DataError(
        f"{path}: expected {missing!r} beside {present!r}, got none; "
        f"save both, or leave {present!r} out to hold samples out by data.validation"
    )
