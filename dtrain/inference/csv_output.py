"""Predictions as text: a `.csv` file, for those whose name ends so."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from .output import CSV, NpyOutput, aside, refused

if TYPE_CHECKING:
    from dtrain.types import Shape

ROWS = 4096
"""Rows that are in memory as text at a time."""


def output_for(path: Path, option: str, shape: Shape, dtype: np.dtype[Any]) -> NpyOutput:
    """Returns the kind of output that the name of the file asks for."""
    kind = CsvOutput if path.suffix.lower() == CSV else NpyOutput
    return kind(path, option, shape, dtype)


class CsvOutput(NpyOutput):
    """A header, the numbers of the columns, and a line a row, in order; read back, numbers have the same bits.

    The ranks write numbers into a file aside, where each row has its place; at the end one rank makes text of it.
    """

    def finish(self) -> None:
        text = aside(self.path, "text")
        try:
            with text.open("w", encoding="ascii", newline="\n") as file:
                self._write(file)
                file.flush()
                os.fsync(file.fileno())
            text.replace(self.path)
        except OSError as error:
            raise refused(self._option, self.path, error) from error
        super().discard()

    def _write(self, file: TextIO) -> None:
        width = prod(self.shape[1:])
        print(",".join(map(str, range(width))), file=file)
        numbers = np.lib.format.open_memmap(self._aside, mode="r").reshape(self.shape[0], width)
        for first in range(0, len(numbers), ROWS):
            for row in numbers[first : first + ROWS].astype(str).tolist():
                print(",".join(row), file=file)

    def discard(self) -> None:
        super().discard()
        aside(self.path, "text").unlink(missing_ok=True)
