"""Predictions as text: a `.csv` file, for those whose name ends so."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from .output import CSV, NpyOutput, aside, refused

if TYPE_CHECKING:
    from dtrain.types import Shape

ROWS = 4096
"""Rows that are in memory as text at a time."""


def output_for(
    path: Path, option: str, shape: Shape, dtype: np.dtype[Any], columns: Sequence[str] = ()
) -> NpyOutput:
    """Returns the kind of output that the name of the file asks for. columns: their names, if they have any."""
    if path.suffix.lower() != CSV:
        return NpyOutput(path, option, shape, dtype)
    output = CsvOutput(path, option, shape, dtype)
    output.columns = columns
    return output


class CsvOutput(NpyOutput):
    """A header, names or numbers of the columns, and a line a row, in order; read back, numbers have the same bits.

    The ranks write numbers into a file aside, where each row has its place; at the end one rank makes text of it.
    """

    columns: Sequence[str] = ()

    def finish(self) -> None:
        text = aside(self.path, "text")
        try:
            with text.open("w", encoding="utf-8", newline="") as file:
                self._write(file)
                file.flush()
                os.fsync(file.fileno())
            text.replace(self.path)
        except OSError as error:
            raise refused(self._option, self.path, error) from error
        super().discard()

    def _write(self, file: TextIO) -> None:
        width, lines = prod(self.shape[1:]), csv.writer(file, lineterminator="\n")
        lines.writerow(self.columns or range(width))
        numbers = np.lib.format.open_memmap(self._aside, mode="r").reshape(self.shape[0], width)
        for first in range(0, len(numbers), ROWS):
            lines.writerows(numbers[first : first + ROWS].astype(str).tolist())

    def discard(self) -> None:
        super().discard()
        aside(self.path, "text").unlink(missing_ok=True)
