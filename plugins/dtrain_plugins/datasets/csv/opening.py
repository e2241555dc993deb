"""From a file to its text: compressed or not, in any encoding; what is no text is named."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from dtrain import DataError

from ..checks import opened, reading

_EXPECTED = "a table of text"
_HEAD = 4096  # bytes that are looked at

_BINARY = {
    b"PAR1": ("a Parquet file", "write it as CSV"),
    b"ARROW1": ("an Arrow file", "write it as CSV"),
    b"FEA1": ("a Feather file", "write it as CSV"),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook (.xls)", "save its sheet as CSV"),
    b"SQLite format 3": ("an SQLite database", "export its table as CSV"),
    b"\x89HDF": ("an HDF5 file", "write it as CSV"),
    b"\x93NUMPY": ("a NumPy array", 'set name = "npy"'),
    b"%PDF": ("a PDF document", "export its table as CSV"),
    b"\x28\xb5\x2f\xfd": ("a file compressed by zstd", "decompress it"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it and name the file in it"),
    b"Rar!": ("a RAR archive", "unpack it and name the file in it"),
    b"RDX2": ("an R workspace (.RData)", "write it as CSV"),
    b"RDX3": ("an R workspace (.RData)", "write it as CSV"),
    b"X\n\0\0": ("an R object (.rds)", "write it as CSV"),
    b"<stata_dta>": ("a Stata file", "write it as CSV"),
    b"$FL2": ("an SPSS file", "write it as CSV"),
}
_MARKUP = {
    b"<!doctype html": ("an HTML page", "download the file itself"),
    b"<html": ("an HTML page", "download the file itself"),
    b"<?xml": ("an XML file", "write it as CSV"),
    b"<head": ("an HTML page", "download the file itself"),
    b"<body": ("an HTML page", "download the file itself"),
    b"<table": ("an HTML page", "write its table as CSV"),
    b"<svg": ("an SVG picture", "check the path"),
    b"{": ("a JSON file", "write it as CSV"),
    b"[{": ("a JSON file", "write it as CSV"),
    b"[[": ("a JSON file", "write it as CSV"),
    b"{\\rtf": ("a document in rich text", "save it as plain text"),
    b"@relation": ("an ARFF file", "write it as CSV"),
    b"version https://git-lfs": ("a Git LFS pointer", "fetch the file itself: git lfs pull"),
}
_ORDERS = (  # UTF-32's begins with UTF-16's
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@contextmanager
def text_of(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Opens the text of a file, plain or compressed by gzip, bzip2 or xz; a byte order mark wins over `encoding`.

    A byte that is no text stays visible in its cell (surrogateescape), so that an error can name the place.
    Raises DataError for what is no text.
    """
    if path.is_dir():
        raise DataError(f"{path}: expected {_EXPECTED}, got a folder; name a file in it")
    with ExitStack() as stack:
        stack.enter_context(reading(path, _EXPECTED))
        file = _decompressed(path, stack)
        head = file.peek(_HEAD)[:_HEAD]
        _refuse(path, head, encoding)
        yield stack.enter_context(
            io.TextIOWrapper(file, _encoding_of(head, encoding), errors="surrogateescape", newline="")
        )


def _decompressed(path: Path, stack: ExitStack) -> Any:
    with path.open("rb") as raw:
        magic = raw.read(6)
    if magic.startswith(b"BZh"):
        from bz2 import BZ2File

        return stack.enter_context(BZ2File(path))
    if magic == b"\xfd7zXZ\0":
        from lzma import LZMAError, LZMAFile

        stack.enter_context(_as_damage(LZMAError))
        return stack.enter_context(LZMAFile(path))
    return stack.enter_context(opened(path))


@contextmanager
def _as_damage(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        raise ValueError(str(error)) from error


def _refuse(path: Path, head: bytes, encoding: str) -> None:
    """Raises DataError for the beginning of what is no table of text."""
    if head.startswith(b"PK\x03\x04"):
        raise DataError(f"{path}: expected {_EXPECTED}, got {_archive(path)}")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for found in (
        next((kind for magic, kind in _BINARY.items() if head.startswith(magic)), None),
        next((kind for word, kind in _MARKUP.items() if start.startswith(word)), None),
    ):
        if found is not None:
            raise DataError(f"{path}: expected {_EXPECTED}, got {found[0]}; {found[1]}")
    if b"\0" in head and encoding.lower().replace("_", "-")[:6] not in ("utf-16", "utf-32", "utf16", "utf32"):
        _refuse_zeros(path, head)


def _refuse_zeros(path: Path, head: bytes) -> None:
    if any(head.startswith(mark) for mark, _ in _ORDERS):
        return
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros > 0.7 * half and not others:
            raise DataError(f'{path}: expected {_EXPECTED} in utf-8, got UTF-16; set encoding = "{name}"')
    if even + odd > 0.1 * len(head):
        raise DataError(f"{path}: expected {_EXPECTED}, got binary data; check the path")


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        names = []
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook (.xlsx); save its sheet as CSV"
    if "content.xml" in names:
        return "an OpenDocument file; save its sheet as CSV"
    if any(name.endswith(".npy") for name in names):
        return 'NumPy arrays (.npz); set name = "npz"'
    inside = f" with {names[0]!r}" if len(names) == 1 else ""
    return f"a zip archive{inside}; unpack it and name the file in it"


def _encoding_of(head: bytes, encoding: str) -> str:
    for mark, name in _ORDERS:
        if head.startswith(mark):
            return name
    if head.startswith(b"\xef\xbb\xbf") or encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        return "utf-8-sig"
    return encoding
