"""The dataset `csv`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dtrain import ArrayRows, Dataset, Schema

from ..checks import Named, rows_of
from .choice import Choice
from .format import Format
from .numbers import Numbers
from .opening import text_of
from .rows import Rows
from .table import Table, read_table


class Csv(Dataset):
    """A table of numbers in a text file, plain or compressed by gzip, bzip2 or xz, with columns of targets.

    path: the file.
    target: the column of the targets: its name in the header, or its number from 0 on (−1: the last); a list: several
    targets; none: samples without a target.
    delimiter: one character; "whitespace": runs of blanks and tabs.
    features: the columns of x in this order, names or numbers; without them all columns but `ignore` and the target.
    header: whether the first row holds names. Without it, it does if a column is given by name, or if it has text
    above numbers and no number above numbers; where it has both, the option is needed.
    missing: the marks for a missing value, in place of the usual ones: ?, -, ., NA, N/A, NaN, null, none and the like,
    in any case. An empty cell and NaN are missing always.
    missing_rows: "error", or "skip": rows with a missing cell in a feature or a target are left out.
    target_kind: "class": the cells of the target name classes, also if they are numbers; "number": they are
    quantities. Without it text names classes, and numbers are what the loss takes them for.
    decimal, thousands: the marks inside numbers; thousands = "": none. "1,100" is a number under thousands = ",".
    quote: the mark around cells; "": none. comment: the mark after which the rest of a line is left out; "": none.
    encoding: of the text; a byte order mark wins. skip: lines left out at the start.

    x (n, features): float64. y (n,), or (n, k) for a list: int64 if every target is a whole number (float64 with
    target_kind = "number"), float64 if every one is a number; text becomes a class 0 … K−1 in sorted order, numbers
    under target_kind = "class" in their order, and `schema.classes` holds the K texts. The file is read when `train`
    or `schema` is first asked for. `conform` reads the columns of training by name, and no others.

    Raises DataError, naming line, column and the option that makes the file load, for a cell that is missing, no
    number or not finite, and for a row of another length than the first; ValueError for options that cannot be, or
    contradict each other.
    """

    def __init__(
        self, path: Path, target: str | int | list[str | int] | None = None, delimiter: str = ",",
        features: list[str | int] | None = None, ignore: list[str | int] | None = None, header: bool | None = None,
        missing: list[str] | None = None, missing_rows: Literal["error", "skip"] = "error",
        target_kind: Literal["class", "number"] | None = None, decimal: str = ".", thousands: str = "",
        quote: str = '"', comment: str = "", encoding: str = "utf-8", skip: int = 0,
    ) -> None:  # fmt: skip
        self._path = path
        self._choice = Choice(target, features, ignore, header, missing_rows, target_kind)
        self._format = Format(delimiter, decimal, thousands, quote, comment, encoding, skip)
        self._numbers = Numbers(decimal, thousands, missing)
        self._recorded: Schema | None = None
        self._read: tuple[ArrayRows, Table] | None = None

    @property
    def train(self) -> ArrayRows:  # type: ignore[override]
        """The samples."""
        return self._table()[0]

    @property
    def schema(self) -> Schema:  # type: ignore[override]
        """The names of columns and classes."""
        return self._table()[1].schema

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What was noticed about the file."""
        return self._table()[1].warnings

    def conform(self, recorded: Schema) -> None:
        """Read the columns of training by name, and the targets by the names of its classes.

        Other columns are not looked at; a target may lack. A file without a header is read by place.
        """
        self._recorded, self._read = recorded, None
        self._table()

    def _table(self) -> tuple[ArrayRows, Table]:
        if self._read is None:
            with text_of(self._path, self._format.encoding) as text:
                rows = Rows(self._path, text, self._format)
                table = read_table(
                    self._path, rows, self._format, self._numbers, self._choice, self._recorded
                )
            y = None if table.y is None else Named(table.y, f"{self._path}, target")
            self._read = rows_of(Named(table.x, str(self._path)), y), table
        return self._read
