"""Checkpoint files: whole or refused."""

from __future__ import annotations

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


def test_an_interrupted_write_leaves_the_file_that_was_there(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(
        "os.fsync", lambda number: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space left"):
        write(saved, Checkpoint({}, {"step": 3}))
    assert saved.read_bytes() == before
