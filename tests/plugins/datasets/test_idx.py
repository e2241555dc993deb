# ruff: noqa: E501 (each message stands in full on one line)
from __future__ import annotations

import gzip
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain import DataError
from dtrain_plugins.datasets.idx import Idx

TRAIN = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
T10K = TRAIN[:2] + np.uint8(100)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def idx(array):
    return struct.pack(f">{1 + array.ndim}I", 0x0800 | array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def saved(tmp_path):
    """Saves the four files (or others) in a folder."""

    def save(pack=bytes, sign="-", end="", **others):
        files = {
            "train_images": idx(TRAIN),
            "train_labels": idx(LABELS),
            "t10k_images": idx(T10K),
            "t10k_labels": idx(LABELS[:2]),
        }
        for name, content in (files | others).items():
            if content is not None:
                part, kind = name.split("_")
                axes = {"images": 3, "labels": 1}[kind]
                (tmp_path / f"{part}-{kind}{sign}idx{axes}-ubyte{end}").write_bytes(pack(content))
        return tmp_path

    return save


@pytest.mark.parametrize("sign", ["-", "."])
@pytest.mark.parametrize(("pack", "end"), [(bytes, ""), (gzip.compress, ".gz"), (bytes, ".gz")])
def test_images_stay_bytes_and_t10k_is_the_validation(saved, pack, sign, end):
    data = Idx(saved(pack, sign, end))
    x, y = data.train.rows(np.array([4, 0]))
    assert x.dtype == np.uint8
    assert y.dtype == np.int64
    assert np.array_equal(x, TRAIN[[4, 0]])
    assert y.tolist() == [5, 3]
    assert data.train.shape == (4, 3)
    assert data.train.whole
    assert np.array_equal(data.validation.rows(np.array([0, 1]))[0], T10K)
    assert data.validation.rows(np.array([0, 1]))[1].tolist() == [3, 1]


def test_without_t10k_there_is_no_validation(saved):
    data = Idx(saved(t10k_images=None, t10k_labels=None))
    assert len(data.train) == 5
    assert data.validation is None


def test_a_plain_file_wins_over_a_gzipped_one(saved):
    saved(gzip.compress, end=".gz", train_labels=idx(LABELS + np.uint8(1)))
    data = Idx(saved())
    assert data.train.rows(np.arange(5))[1].tolist() == LABELS.tolist()


HEAD = struct.pack(">4I", 0x803, 5, 4, 3)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train_images": None}, ": expected train-images-idx3-ubyte (or train-images.idx3-ubyte, train-images-idx3-ubyte.gz, train-images.idx3-ubyte.gz), got no such file; fetch it, or check the path"),
        ({"train_labels": None}, ": expected train-labels-idx1-ubyte (or train-labels.idx1-ubyte, train-labels-idx1-ubyte.gz, train-labels.idx1-ubyte.gz), got no such file; fetch it, or check the path"),
        ({"t10k_labels": None}, ": expected t10k-labels-idx1-ubyte (or t10k-labels.idx1-ubyte, t10k-labels-idx1-ubyte.gz, t10k-labels.idx1-ubyte.gz), got no such file; fetch it, or check the path"),
        ({"t10k_images": None}, ": expected t10k-images-idx3-ubyte (or t10k-images.idx3-ubyte, t10k-images-idx3-ubyte.gz, t10k-images.idx3-ubyte.gz), got no such file; fetch it, or check the path"),
        ({"train_images": b""}, "/train-images-idx3-ubyte: expected a header of 16 bytes, got 0; fetch the file again"),
        ({"train_images": HEAD[:15]}, "/train-images-idx3-ubyte: expected a header of 16 bytes, got 15; fetch the file again"),
        ({"train_images": idx(LABELS) + HEAD}, "/train-images-idx3-ubyte: expected the magic number 2051 (bytes, axes: 3), got 2049; check that the file has its right name"),
        ({"train_labels": idx(TRAIN)}, "/train-labels-idx1-ubyte: expected the magic number 2049 (bytes, axes: 1), got 2051; check that the file has its right name"),
        ({"train_images": HEAD + bytes(59)}, "/train-images-idx3-ubyte: expected 60 bytes for shape (5, 4, 3), got 59; fetch the file again"),
        ({"train_images": HEAD + bytes(61)}, "/train-images-idx3-ubyte: expected 60 bytes for shape (5, 4, 3), got more; fetch the file again"),
        ({"train_images": struct.pack(">4I", 0x803, *[2**32 - 1] * 3)}, "/train-images-idx3-ubyte: expected 79228162458924105385300197375 bytes for shape (4294967295, 4294967295, 4294967295), got 0; fetch the file again"),
        ({"train_images": idx(TRAIN[:0])}, "/train-images-idx3-ubyte: expected at least one row and no empty axis, got shape (0, 4, 3)"),
        ({"train_labels": idx(LABELS[:4])}, "/train-labels-idx1-ubyte: expected as many rows as in {0}/train-images-idx3-ubyte, 5, got 4"),
        ({"t10k_labels": idx(LABELS)}, "/t10k-labels-idx1-ubyte: expected as many rows as in {0}/t10k-images-idx3-ubyte, 2, got 5"),
        ({"t10k_images": idx(T10K[:, :2])}, "/t10k-images-idx3-ubyte: expected rows of shape (4, 3), as in {0}/train-images-idx3-ubyte, got (2, 3)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(saved, files, message):
    folder = saved(**files)
    with pytest.raises(DataError) as caught:
        Idx(folder)
    assert str(caught.value) == f"{folder}{message.format(folder)}"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-9], "Compressed file ended before the end-of-stream marker was reached"),
        (lambda content: content[:-8] + bytes(8), f"CRC check failed 0x0 != {zlib.crc32(idx(TRAIN)):#x}"),
        (lambda content: content + b"tail", "Not a gzipped file (b'ta')"),
        (lambda content: content[:10] + b"\xff" * 9, "Error -3 while decompressing data: invalid block type"),
    ],
)
def test_a_damaged_gzip_stream_is_named(saved, damage, reason):
    folder = saved(gzip.compress, end=".gz")
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        Idx(folder)
    assert str(caught.value) == (
        f"{path}: expected an idx file, got damaged data ({reason}); write or fetch the file again"
    )


def test_a_path_that_is_no_folder_is_named(saved):
    folder = saved()
    for name, got in [("none", "no such folder"), ("train-images-idx3-ubyte", "a file")]:
        with pytest.raises(DataError) as caught:
            Idx(folder / name)
        assert str(caught.value) == (
            f"{folder}/{name}: expected a folder with the files of MNIST, got {got}; check the path"
        )


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@given(data=st.data())
def test_a_damaged_file_gives_a_dataset_or_one_line(damaged, read_or_one_line, tmp_path_factory, pack, data):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    (folder / "train-images-idx3-ubyte").write_bytes(damaged(pack(idx(TRAIN)), data))
    (folder / "train-labels-idx1-ubyte").write_bytes(damaged(pack(idx(LABELS)), data))
    read_or_one_line(lambda: Idx(folder), folder)
