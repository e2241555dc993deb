"""Whatever happens to a checkpoint's bytes: it is read as it was written, or refused in one line."""

from __future__ import annotations

import json
import os
import pickle
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtrain.errors import CheckpointError
from dtrain.trainer import checkpoint
from dtrain.trainer.checkpoint import Checkpoint, name_of, newest, prune, read, write

ARRAYS = {
    "value/a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "value/empty": np.zeros((0, 3)),
    "state/n": np.arange(5),
}
CURSOR = {"step": 3, "loss": 0.25}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / name_of(3)
    write(path, Checkpoint(ARRAYS, CURSOR))
    return path


def refused(path: Path) -> str:
    """Reads a damaged file; returns the one line with which it is refused."""
    with pytest.raises(CheckpointError) as raised:
        read(path)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"{path}: expected ")
    return str(raised.value)


def header_of(path: Path) -> tuple[dict, bytes]:
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    return json.loads(whole[8 : 8 + size]), whole[8 + size :]


def put(path: Path, header: dict | str, data: bytes) -> None:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


@pytest.mark.parametrize("mask", [0x80, 0xFF])
def test_every_byte_counts(mask, saved):
    whole = saved.read_bytes()
    for at in range(len(whole)):
        saved.write_bytes(whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
        refused(saved)


def test_every_length_counts(saved):
    whole = saved.read_bytes()
    for kept in range(len(whole)):
        saved.write_bytes(whole[:kept])
        refused(saved)
    for tail in (b"\0", b" " * 8, whole):
        saved.write_bytes(whole + tail)
        refused(saved)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pieces_cut_out_put_in_and_moved(saved, data):
    path = saved.with_name(name_of(4))
    whole = saved.read_bytes()
    at, to = (data.draw(st.integers(0, len(whole))) for _ in range(2))
    piece = data.draw(st.one_of(st.binary(max_size=12), st.just(whole[to : to + 8])))
    changed = whole[:at] + piece + whole[at + data.draw(st.integers(0, 12)) :]
    path.write_bytes(changed)
    try:
        found = read(path.replace(path.with_name(checkpoint.BEST)))
    except CheckpointError:
        refused(path.with_name(checkpoint.BEST))
        return
    assert found.cursor == {"format": 1, **CURSOR}
    assert {name: array.tolist() for name, array in found.arrays.items()} == {
        name: array.tolist() for name, array in ARRAYS.items()
    }


HEADERS = {
    "an array twice": lambda text: text.replace('"value/a":', '"state/n":', 1),
    "a key twice": lambda text: text.replace('"value/a":{', '"value/a":{"dtype":"F32",', 1),
    "two checksums": lambda text: text.replace('"sha256":', '"sha256":"0","sha256":', 1),
    "another dtype of that size": lambda text: text.replace('"F32"', '"I32"', 1),
    "bfloat16": lambda text: text.replace('"I64","shape":[5]', '"BF16","shape":[20]', 1),
    "eight bits": lambda text: text.replace('"I64","shape":[5]', '"F8_E4M3","shape":[40]', 1),
    "another shape of that size": lambda text: text.replace("[2,3]", "[3,2]", 1),
    "a negative shape": lambda text: text.replace("[2,3]", "[-2,-3]", 1),
    "no metadata": lambda text: text.replace('"__metadata__"', '"metadata"', 1),
    "a number as metadata": lambda text: text.replace('"sha256":"', '"sha256":1,"x":"', 1),
    "nested too deeply": lambda text: "[" * 100_000 + "]" * 100_000,
    "no table": lambda text: "[]",
    "nothing": lambda text: "",
    "a name that is no text": lambda text: text.replace("value/a", "value/\\ud800", 1),
}


@pytest.mark.parametrize("change", HEADERS.values(), ids=HEADERS)
def test_another_header_is_refused(change, saved):
    header, data = header_of(saved)
    text = json.dumps(header, separators=(",", ":"))
    put(saved, text, data)
    read(saved)  # as good as before
    assert change(text) != text
    put(saved, change(text), data)
    refused(saved)


@pytest.mark.parametrize("length", [2**63 - 1, 2**64 - 1, 2**40, 99_999_999])
def test_a_header_that_claims_to_be_huge_takes_no_memory(length, saved):
    saved.write_bytes(length.to_bytes(8, "little") + saved.read_bytes()[8:])
    with limited(64 * 2**20):
        refused(saved)


@pytest.mark.parametrize("shape", [[2**40], [2**31, 2**31], [2**62, 2**62, 2**62], [0, 2**63]])
def test_an_array_that_claims_to_be_huge_takes_no_memory(shape, saved):
    header, data = header_of(saved)
    size = 4 * int(np.prod([float(n) for n in shape]))
    header["value/a"] |= {"shape": shape, "data_offsets": [0, size]}
    put(saved, header, data)
    with limited(64 * 2**20):
        refused(saved)


class limited:  # noqa: N801
    """Within, this process gets no more than so many bytes of further address space."""

    def __init__(self, more: int) -> None:
        self.more = more

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + self.more, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_AS, self.before)


def signed(path: Path, cursor: str) -> None:
    """Gives a checkpoint another cursor, and the checksum that belongs to it."""
    header, data = header_of(path)
    arrays = {**ARRAYS}
    header["__metadata__"] = {"dtrain": cursor, "sha256": checkpoint._digest(arrays, cursor)}
    put(path, header, data)


CURSORS = [
    "", "null", "[]", "3", '"step"', "{", "{}", "NaN", '{"format": 1}', '{"step": 3}',
    '{"format": 1, "step": 3, "step": 3}', '{"format": 1, "step": NaN}', '{"format": 1, "step": Infinity}',
    '{"format": 1, "step": "3"}', '{"format": 1, "step": true}', '{"format": 1, "step": 3.0}',
    '{"format": 1, "step": [3]}', '{"format": 1, "step": -3}', '{"format": 1, "step": null}',
    '{"format": "1", "step": 3}', '{"format": {"a": []}, "step": 3}', "[" * 100_000,
    '{"format": 1, "step": ' + "9" * 5000 + "}", '{"format": 1, "step": 1e999}', "\x00", '{"format": 1, "step": 4}',
]  # fmt: skip


@pytest.mark.parametrize("cursor", CURSORS, ids=range(len(CURSORS)))
def test_a_cursor_that_somebody_else_wrote_is_refused_whatever_its_checksum(cursor, saved):
    signed(saved, json.dumps({"format": 1, "step": 3}))
    assert read(saved).cursor["step"] == 3
    signed(saved, cursor)
    refused(saved)


def _no_file(path: Path) -> None:
    path.unlink()


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("mine")


def _a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _a_dead_end(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def _unreadable(path: Path) -> None:
    path.chmod(0)


@pytest.mark.parametrize("change", [_no_file, _a_folder, _a_loop, _a_dead_end])
def test_what_is_no_file_is_refused_and_passed_by(change, saved):
    latest = saved.with_name(name_of(9))
    write(latest, Checkpoint(ARRAYS, {"step": 9}))
    change(latest)
    refused(latest)
    found, messages = newest(saved.parent)
    assert found == saved
    assert [message.startswith(f"{latest}: expected a checkpoint, got ") for message in messages] == [
        True
    ] * (change is not _no_file)
    prune(saved.parent, 1, 3)
    assert saved.exists()
    assert latest.is_dir() == (change is _a_folder)  # somebody's: nothing in it is removed


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(saved):
    saved.chmod(0)
    assert "Permission denied" in refused(saved)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


@pytest.mark.parametrize("kind", ["pickle", "zip", "npy", "torch"])
def test_a_file_that_would_run_code_does_nothing(kind, saved):
    canary = saved.with_name("canary")
    bomb = pickle.dumps(Bomb(canary))
    if kind == "pickle":
        saved.write_bytes(bomb)
    elif kind == "npy":
        with saved.open("wb") as file:
            np.save(file, np.array([Bomb(canary)], object), allow_pickle=True)
    else:
        with zipfile.ZipFile(saved, "w") as archive:
            archive.writestr("archive/data.pkl" if kind == "torch" else "value.npy", bomb)
    assert "damaged file" in refused(saved)
    assert not canary.exists()
    pickle.loads(bomb)
    assert canary.exists()  # it would have
