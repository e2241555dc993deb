"""How a file writes its table: what stands between cells, around text and inside numbers."""

from __future__ import annotations

import io
from dataclasses import dataclass

WHITESPACE = "whitespace"
"""The delimiter that stands for runs of blanks and tabs."""


@dataclass(frozen=True)
class Format:
    """The options of a dialect. Raises ValueError for values that cannot be one, or contradict each other."""

    delimiter: str = ","
    decimal: str = "."
    thousands: str = ""
    quote: str = '"'
    comment: str = ""
    encoding: str = "utf-8"
    skip: int = 0

    def __post_init__(self) -> None:
        self._check_each()
        self._check_pairs()
        try:
            io.TextIOWrapper(io.BytesIO(), self.encoding)
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"encoding must be a text encoding that Python knows, such as 'utf-8' or 'latin-1', "
                f"got {self.encoding!r}"
            ) from error

    def _check_each(self) -> None:
        if self.delimiter != WHITESPACE and not _is_mark(self.delimiter, '"'):
            raise ValueError(
                f"delimiter must be one character, no letter, digit, quote or line end, or {WHITESPACE!r}, "
                f"got {self.delimiter!r}"
            )
        for name, value in (("decimal", self.decimal), ("thousands", self.thousands), ("quote", self.quote)):
            if (value or name == "decimal") and not _is_mark(value, "+-"):
                none = "" if name == "decimal" else ", or '' for none"
                raise ValueError(
                    f"{name} must be one character, no letter, digit, sign or line end{none}, got {value!r}"
                )
        if self.comment and (self.comment != self.comment.strip() or self.comment[0].isalnum()):
            raise ValueError(
                "comment must be the mark that begins one, without blanks, no letter or digit first, or '' for none, "
                f"got {self.comment!r}"
            )
        if self.skip < 0:
            raise ValueError(f"skip must be a number of lines, at least 0, got {self.skip}")

    def _check_pairs(self) -> None:
        between = " " if self.delimiter == WHITESPACE else self.delimiter
        unlike = [("decimal", self.decimal, "thousands", self.thousands)]
        unlike += [("quote", self.quote, name, mark) for name, mark in self._marks(between)]
        if not self.quote:  # a quoted cell may contain the delimiter: "1,100"
            unlike += [
                ("delimiter", between, "decimal", self.decimal),
                ("delimiter", between, "thousands", self.thousands),
            ]
        unlike += [
            ("comment", self.comment, name, mark)
            for name, mark in (*self._marks(between), ("quote", self.quote))
        ]
        for first, value, second, other in unlike:
            if value and value == other:
                raise ValueError(f"{first} and {second} must differ, got {value!r} for both")

    def _marks(self, between: str) -> list[tuple[str, str]]:
        return [("delimiter", between), ("decimal", self.decimal), ("thousands", self.thousands)]


def _is_mark(text: str, beside: str) -> bool:
    return len(text) == 1 and not text.isalnum() and text not in beside + "\r\n\0"
