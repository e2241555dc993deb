"""A data file that is damaged, foreign or enormous by its own account is refused in one line, or trained on."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.configs import PLAIN
from tests.fuzz.support import LONG, bounded, examples, some, try_out

RANDOM = np.random.Generator(np.random.PCG64(2))
X, Y = RANDOM.normal(size=(24, 4)), np.arange(24) % 3


class Bomb:
    """Makes the file `canary` when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch canary",)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **arrays)
    return file.getvalue()


def idx(array: Any) -> bytes:
    head = struct.pack(f">{1 + array.ndim}I", 0x800 | array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def claiming(shape: str, dtype: str = "<f8") -> bytes:
    """A .npy header alone."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def with_value(value: float) -> Any:
    x = X.copy()
    x[11, 2] = value
    return x


ARRAYS: dict[str, Any] = {
    "right": X,
    "NaN": with_value(np.nan),
    "infinite": with_value(np.inf),
    "beyond float32": with_value(1e300),
    "objects": np.array([[Bomb()]] * 24, object),
    "complex": X.astype(complex),
    "text": X.astype(str),
    "dates": np.zeros((24, 4), "M8[s]"),
    "fields": np.zeros(24, [("a", "f4"), ("b", "i8")]),
    "half": X.astype(np.float16),
    "long double": X.astype(np.longdouble),
    "other end first": X.astype(">f8"),
    "no axis": np.array(1.0),
    "one axis": X[:, 0],
    "no row": X[:0],
    "no column": X[:, :0],
    "a row too few": X[1:],
    "64 axes": np.zeros((24,) + (1,) * 60),
    "of columns": np.asfortranarray(X),
    "bools": X > 0,
    "wide": np.zeros((24, 5)),
    "huge": (X * 1e30).astype(np.float32),
}
CLAIMS = [
    claiming(*claim)
    for claim in [
        ("(10**12, 4)",),
        ("(1000000000000, 4)",),
        ("(9223372036854775807,)",),
        ("(99999999999999999999999, 4)",),
        ("(-24, -4)",),
        ("(24, 4",),
        ("(24, 4)", "O"),
        ("(24, 4)", "|V8"),
        ("(24, 4)", "<f99"),
        ("()",),
        ("(24.0, 4)",),
        ("(True, 4)",),
        ("__import__('os').system('touch canary')",),
        ("(0, 9999999999999)",),
        ("((24,), 4)",),
        ("(" + "1," * 400 + ")",),
        ("[" * 3000,),
    ]
]
CSV = "a,b,c,d,y\n" + "".join(
    ",".join(map(str, [*row, k])) + "\n" for row, k in zip(X.tolist(), Y, strict=True)
)
TEXTS = [
    CSV,
    CSV.replace("\n", "\r\n"),
    CSV.replace(",", ";"),
    CSV.replace(".", ","),
    CSV[:-5],
    CSV + ",,,,\n",
    CSV + "1,2\n",
    CSV.replace("0.", "nan", 1),
    CSV.replace("0.", "1e999", 1),
    CSV.replace("0.", "0x", 1),
    "a,b,y\n",
    "\n\n\n",
    "",
    "\0" * 99,
    "a,a,a\n1,2,3\n",
    '"' * 99,
    '"a\n' + CSV,
    "=cmd|' /C calc'!A0,1\n" * 4,
    "é,ü,y\n1,2,0\n",
    "1" * 300_000,
    "1," * 300_000,
    CSV.replace("a,b", "a,\ufeffb"),
    "\ufeff" + CSV,
    CSV.replace("\n", ",,,,,\n"),
    "1,2,3,4,99999999999999999999\n" * 3,
]

PREPARED: dict[str, tuple[dict[str, Any], Callable[[], dict[str, bytes]]]] = {
    "npz": ({"name": "npz", "path": "f"}, lambda: {"f": npz(x=X, y=Y)}),
    "npy": ({"name": "npy", "x": "f", "y": "g"}, lambda: {"f": npy(X), "g": npy(Y)}),
    "csv": ({"name": "csv", "path": "f", "target": "y"}, lambda: {"f": CSV.encode()}),
    "idx": (
        {"name": "idx", "path": "."},
        lambda: {
            "train-images-idx3-ubyte": idx(np.abs(X * 99).reshape(24, 2, 2)),
            "train-labels-idx1-ubyte": idx(Y),
            "t10k-images-idx3-ubyte": gzip.compress(idx(np.abs(X * 99).reshape(24, 2, 2)), mtime=0),
            "t10k-labels-idx1-ubyte": idx(Y),
        },
    ),
}


def tried(dtrain: Any, data: dict[str, Any], files: dict[str, bytes]) -> str:
    """Trains one step on these files; returns how it ended. Code in them must not run."""
    for name, content in files.items():
        Path(name).write_bytes(content)
    network = [{"name": "flatten"}, *PLAIN["network"]]
    Path("run.toml").write_text(tomli_w.dumps({**PLAIN, "data": data, "network": network}))
    result = try_out(dtrain, "train", "run.toml")
    assert not Path("canary").exists()
    return result


@pytest.mark.parametrize("kind", PREPARED)
def test_damaged_bytes(kind, dtrain):
    data, made = PREPARED[kind]
    whole = made()
    assert tried(dtrain, data, whole) == "ran"

    @examples(6)
    @given(st.sampled_from(sorted(whole)), st.data())
    def attempt(name, draw):
        content = whole[name]
        at = draw.draw(st.one_of(st.integers(0, len(content)), st.integers(0, min(130, len(content)))))
        put = draw.draw(st.one_of(st.binary(max_size=9), st.just(content), st.just(b"\xff" * 8)))
        cut = draw.draw(st.sampled_from([0, 1, len(put), len(content)]))
        tried(dtrain, data, whole | {name: content[:at] + put + content[at + cut :]})

    attempt()


def test_foreign_arrays(dtrain):
    seen = {}
    for name, array in ARRAYS.items():
        for kind in ("npz", "npy") if LONG else ("npz",):
            data = PREPARED[kind][0]
            files = {"f": npz(x=array, y=Y)} if kind == "npz" else {"f": npy(array), "g": npy(Y)}
            seen[name, kind] = tried(dtrain, data, files)
            if not LONG:
                continue
            files = {"f": npz(x=X, y=array)} if kind == "npz" else {"f": npy(X), "g": npy(array)}
            assert tried(dtrain, data, files) in ("refused", "ran")
    assert {name for (name, _), how in seen.items() if how == "ran"} >= {
        "right",
        "half",
        "of columns",
        "bools",
    }
    assert {name for (name, _), how in seen.items() if how == "refused"} >= {
        "NaN",
        "infinite",
        "objects",
        "complex",
        "text",
        "dates",
        "fields",
        "no axis",
        "one axis",
        "no row",
        "no column",
        "a row too few",
    }


@pytest.mark.parametrize("content", some(CLAIMS), ids=range(len(some(CLAIMS))))
def test_headers_that_claim_what_is_not_there(content, dtrain):
    assert tried(dtrain, PREPARED["npy"][0], {"f": content + b"\0" * 64, "g": npy(Y)}) == "refused"


@pytest.mark.parametrize("text", some(TEXTS), ids=range(len(some(TEXTS))))
def test_texts_that_are_no_table(text, dtrain):
    assert tried(dtrain, PREPARED["csv"][0], {"f": text.encode()}) in ("refused", "ran")


@pytest.mark.parametrize("kind", PREPARED)
def test_files_of_another_kind(kind, dtrain):
    data, made = PREPARED[kind]
    whole = made()
    others = [
        b"",
        pickle.dumps(Bomb()),
        npz(x=X),
        npy(X),
        CSV.encode(),
        gzip.compress(b"x"),
        b"\x1f\x8b",
        os.urandom(512),
    ]
    for content in some(others):
        for name in whole:
            if content not in (npy(X), npz(x=X), CSV.encode()) or kind not in ("npy", "npz", "csv"):
                assert tried(dtrain, data, whole | {name: content}) == "refused"


def test_no_file_runs_code_when_it_is_predicted_on(dtrain):
    assert tried(dtrain, PREPARED["npz"][0], PREPARED["npz"][1]()) == "ran"
    inputs = [npy(ARRAYS["objects"]), pickle.dumps(Bomb()), npz(x=ARRAYS["objects"]), *CLAIMS]
    for content in some(inputs):
        Path("input.npy").write_bytes(content)
        with bounded():
            ended = dtrain("predict", "out", "--input", "input.npy", "--output", "y.npy")
        assert ended.code == 2, ended.err
        assert len(ended.err.splitlines()) == 1
        assert ended.err.startswith("dtrain: input.npy: expected ")
        assert not Path("y.npy").exists()
        assert not Path("canary").exists()
    pickle.loads(pickle.dumps(Bomb()))
    assert Path("canary").exists()  # it would have
