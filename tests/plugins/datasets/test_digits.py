# ruff: noqa: E501 (each message stands in full on one line)
from __future__ import annotations

import gzip
import importlib.util
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec

import numpy as np
import pytest

from dtrain import DataError
from dtrain_plugins.datasets.digits import Digits


def test_digits_are_those_of_scikit_learn():
    # scikit-learn is imported in a process of its own: here it must stay out.
    program = "from sklearn.datasets import load_digits; import sys; d = load_digits(); "
    program += "sys.stdout.buffer.write(d.data.astype('<f8').tobytes() + d.target.astype('<i8').tobytes())"
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    pixels, classes = np.frombuffer(out[: 1797 * 64 * 8]), np.frombuffer(out[1797 * 64 * 8 :], np.int64)
    data = Digits()
    x, y = data.train.rows(np.arange(1797))
    assert len(data.train) == 1797
    assert data.train.shape == (64,)
    assert data.train.whole
    assert data.validation is None
    assert x.dtype == np.float32
    assert y.dtype == np.int64
    assert np.array_equal(x * 16, pixels.reshape(1797, 64))
    assert np.array_equal(y, classes)
    assert (x.min(), x.max()) == (0, 1)


def test_digits_do_not_import_scikit_learn():
    program = "import sys; from dtrain_plugins.datasets.digits import Digits; Digits(); "
    program += "print([name for name in sys.modules if name.startswith(('sklearn', 'scipy'))])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
    )
    assert run.stdout == "[]\n"


def test_the_examples_build():
    for options in Digits.examples:
        assert len(Digits(**options).train) == 1797


def found(folder):
    spec = ModuleSpec("sklearn", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return lambda name: spec


def none_found(name):
    return None


def broken(name):
    raise ValueError("sklearn.__spec__ is None")


@pytest.mark.parametrize("find_spec", [none_found, broken, found("nowhere")])
def test_without_the_file_the_error_says_what_to_install(monkeypatch, find_spec):
    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(DataError) as caught:
        Digits()
    assert str(caught.value) == (
        "digits: expected the file that comes with scikit-learn, got no scikit-learn with it; "
        'pip install "dtrain[demo]", or choose another dataset in data.name'
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b"1,2\n3,4\n", mtime=0), "expected 65 columns of 0 … 16, got a table of shape (2, 2); install scikit-learn again"),
        (gzip.compress(b"99" + b",1" * 64, mtime=0), "expected 65 columns of 0 … 16, got 1 … 99; install scikit-learn again"),
        (gzip.compress(b"1,2\n3,4\n", mtime=0)[:15], "expected the digits of scikit-learn, got damaged data (Compressed file ended before the end-of-stream marker was reached); write or fetch the file again"),
        (gzip.compress(b"1,a\n", mtime=0), "expected the digits of scikit-learn, got damaged data (invalid literal for int() with base 10: b'a\\n'); write or fetch the file again"),
        (b"", "expected 65 columns of 0 … 16, got a table of shape (0,); install scikit-learn again"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(monkeypatch, tmp_path, content, reason):
    path = tmp_path / "datasets/data/digits.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    monkeypatch.setattr(importlib.util, "find_spec", found(tmp_path))
    with pytest.raises(DataError) as caught:
        Digits()
    assert str(caught.value) == f"{path}: {reason}"
