"""Checkpoint files: whole or refused."""

from __future__ import annotations

import json
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from dtrain.errors import CheckpointError
from dtrain.trainer import checkpoint
from dtrain.trainer.checkpoint import Checkpoint, name_of, newest, prune, read, write

ARRAYS = {
    "value/a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "value/empty": np.zeros((0, 3)),
    "state/one": np.array(1.5),
}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / name_of(3)
    write(path, Checkpoint(ARRAYS, {"step": 3, "loss": float("inf")}))
    return path


def test_what_is_written_is_read(saved):
    found = read(saved)
    assert found.cursor == {"format": 1, "step": 3, "loss": float("inf")}
    assert {*found.arrays} == {*ARRAYS}
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_every_flipped_byte_is_noticed(saved):
    whole = saved.read_bytes()
    for at in range(len(whole)):
        saved.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(CheckpointError, match="expected a checkpoint, got a damaged file"):
            read(saved)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, -1])
def test_a_file_cut_short_is_refused_in_one_line(kept, saved):
    saved.write_bytes(saved.read_bytes()[:kept])
    with pytest.raises(CheckpointError) as raised:
        read(saved)
    assert str(raised.value).startswith(f"{saved}: expected a checkpoint, got a damaged file (")
    assert "\n" not in str(raised.value)


def test_a_checkpoint_under_another_name_is_refused(saved):
    other = saved.rename(saved.with_name(name_of(4)))
    with pytest.raises(CheckpointError) as raised:
        read(other)
    assert str(raised.value) == f"{other}: expected the checkpoint of that step, got that of step 3"
    assert read(other.rename(other.with_name(checkpoint.BEST))).cursor["step"] == 3


def test_a_later_format_is_refused(saved, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    with pytest.raises(CheckpointError) as raised:
        read(saved)
    assert str(raised.value) == f"{saved}: expected format 2, got 1"


def test_the_newest_good_one_is_found_and_the_others_are_told(saved):
    (saved.parent / name_of(20)).write_bytes(b"nothing")
    found, messages = newest(saved.parent)
    assert found == saved
    assert len(messages) == 1
    assert messages[0].endswith("; taking the one before")


def test_none_is_an_error(tmp_path):
    with pytest.raises(CheckpointError) as raised:
        newest(tmp_path)
    assert str(raised.value) == (
        f"{tmp_path}: expected a checkpoint to resume from, got none that is whole; start again with --overwrite"
    )


def test_the_last_few_up_to_the_step_are_kept(tmp_path):
    for step in (1, 2, 3, 10, 11):
        (tmp_path / name_of(step)).touch()
    (tmp_path / f".{name_of(4)}.tmp").touch()
    (tmp_path / checkpoint.BEST).touch()
    prune(tmp_path, 2, 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [checkpoint.BEST, name_of(3), name_of(10)]


def test_what_another_process_is_writing_stays_out_of_the_way(tmp_path):
    own = tmp_path / f".{name_of(4)}.{os.getpid()}-7.tmp"
    other = tmp_path / f".{name_of(4)}.{os.getpid() + 1}-7.tmp"
    own.touch()
    other.touch()
    prune(tmp_path, 2, 10)
    assert [*tmp_path.iterdir()] == [own]


MIXED = {
    "a": np.arange(5, dtype=np.int8),
    "b": np.arange(3.0),
    "c": np.array([True, False, True]),
    "d": np.arange(7, dtype=np.float32).reshape(7, 1),
    "e": np.arange(6.0).reshape(2, 3).T,
    "f": np.arange(4, dtype=">f4"),
    "g": np.array([1 + 2j], np.complex64),
}


def test_arrays_of_any_width_start_where_their_elements_are_aligned(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PIECE", 5)
    write(tmp_path / name_of(3), Checkpoint(MIXED, {"step": 3}))
    found = read(tmp_path / name_of(3)).arrays
    assert {name: array.tolist() for name, array in found.items()} == {
        name: array.tolist() for name, array in MIXED.items()
    }
    raw = (tmp_path / name_of(3)).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    assert length % 8 == 0
    assert all(header[name]["data_offsets"][0] % MIXED[name].itemsize == 0 for name in MIXED)


def test_what_safetensors_cannot_hold_is_refused(tmp_path):
    with pytest.raises(CheckpointError) as raised:
        write(tmp_path / name_of(3), Checkpoint({"state/odd": np.zeros(2, complex)}, {"step": 3}))
    assert str(raised.value) == (
        "state/odd: expected a dtype of safetensors (BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64, C64), "
        "got complex128"
    )
    assert not [*tmp_path.iterdir()]


def test_an_interrupted_write_leaves_the_file_that_was_there(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(
        "os.fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space left"):
        write(saved, Checkpoint({}, {"step": 3}))
    assert saved.read_bytes() == before
    assert [*saved.parent.iterdir()] == [saved]


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The kernel refuses to write further into any file of this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 100, 70_000, 2**20 + 5, 2**21])
def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_the_one_before(saved, size):
    before = saved.read_bytes()
    large = Checkpoint({"value/a": np.ones(2**20, np.float32)}, {"step": 3})
    with no_file_beyond(size), pytest.raises(OSError, match="File too large"):
        write(saved, large)
    assert saved.read_bytes() == before
    assert [*saved.parent.iterdir()] == [saved]
    write(saved, large)
    assert read(saved).arrays["value/a"].sum() == 2**20


def test_who_reads_while_another_writes_sees_one_whole_checkpoint(saved):
    def rewrite():
        for _ in range(40):
            write(saved, Checkpoint({"value/a": np.ones(3000)}, {"step": 3}))

    writer = threading.Thread(target=rewrite)
    writer.start()
    while writer.is_alive():
        assert read(saved).cursor["step"] == 3
    writer.join()


def test_the_folder_is_synced_after_the_file_has_its_name(saved, monkeypatch):
    seen = []
    sync = os.fsync

    def noted(number: int) -> None:
        seen.append((os.path.isdir(f"/proc/self/fd/{number}"), (saved.parent / name_of(9)).exists()))
        sync(number)

    monkeypatch.setattr("os.fsync", noted)
    write(saved.parent / name_of(9), Checkpoint(ARRAYS, {"step": 9}))
    assert seen == [(False, False), (True, True)]
