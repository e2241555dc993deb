"""Products in which all rows of a block are computed alike, on whatever kernel the processor is given."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from dtrain.engine.products import RowProducts, Way, find_way
from tests.mpirun import python_path
from tests.support import assert_same_bits

SHAPES = [(n, m) for n in (1, 10, 500) for m in (1, 10, 257)]
ROWS = (1, 4, 50, 64, 256)


def multiplied(products: RowProducts, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    out = np.full((*x.shape[:-1], w.shape[1]), np.nan, x.dtype)
    products.multiply(x, w, out)
    return out


def broken(rows: int, n: int, m: int, dtype: str, transposed: bool) -> bool:
    """Whether a product is wrong, or rows have other bits at other places, or beside others."""
    random = np.random.default_rng([rows, n, m])
    w = random.standard_normal((m, n) if transposed else (n, m)).astype(dtype)
    w = w.T if transposed else w
    x, order, products = (
        random.standard_normal((rows, n)).astype(dtype),
        random.permutation(rows),
        RowProducts(),
    )
    y = multiplied(products, x, w)
    away = np.abs(y - x.astype(float) @ w.astype(float)).max()
    beside = multiplied(products, np.concatenate([x[:1], *[x[-1:] * 2] * (rows - 1)]), w)
    moved = (multiplied(products, x[order], w) != y[order]).any()
    return bool(away > 1e3 * np.finfo(dtype).eps or moved or (beside[0] != y[0]).any())


def all_broken() -> list[tuple]:
    cases = [
        (r, *s, d, t) for r in ROWS for s in SHAPES for d in ("float32", "float64") for t in (False, True)
    ]
    return [case for case in cases if broken(*case)]


def test_all_rows_are_alike_on_this_processor():
    assert all_broken() == []


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("core", ["Nehalem", "Sandybridge", "Haswell", "SkylakeX"])
def test_all_rows_are_alike_on_another_kernel(core, threads):
    """OpenBLAS takes the kernel that is asked for where the processor has it; another BLAS takes no notice."""
    code = "from tests.engine.test_products import all_broken; print(all_broken())"
    environ = {"OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": python_path()}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_one_row_a_call_and_the_whole_block_are_ways():
    """What a trial chooses between gives the same numbers within rounding."""
    x, w = (
        np.random.default_rng(0).standard_normal((8, 3, 5)),
        np.random.default_rng(1).standard_normal((5, 7)),
    )
    for way in (Way(1), Way(8), Way(4), Way(8, lanes=True), Way(2, lanes=True)):
        out = np.empty((8, 3, 7))
        way.multiply(x, w, out)
        np.testing.assert_allclose(out, x @ w, rtol=1e-12)


def test_a_way_in_which_rows_differ_is_not_taken(monkeypatch):
    """A BLAS that computes the rows behind the eighth in another order is met with tiles of eight."""
    real = np.matmul

    def edged(a, b, out=None):
        y = real(a, b, out)
        if b.shape[-1] == 7:  # not transposed: rows are the first of the last two axes
            y[..., 8:, :] = real(a[..., 8:, ::-1], b[..., ::-1, :])
        return y

    monkeypatch.setattr(np, "matmul", edged)
    assert find_way((32, 100), 7, "f", "f", True) == Way(32, lanes=True)
    monkeypatch.setattr(
        np, "matmul", lambda a, b, out=None: edged(a, b, out) if b.shape[-1] == 7 else broken_too(a, b)
    )

    def broken_too(a, b):
        y = real(a, b)
        y[..., 8:] = real(a[..., ::-1], b[..., ::-1, 8:])
        return y

    assert find_way((32, 100), 7, "f", "f", True) == Way(8)


def test_a_shape_is_tried_once_and_any_layout_gives_the_same_bits():
    products = RowProducts()
    x, w = (
        np.random.default_rng(0).standard_normal((16, 40)),
        np.random.default_rng(1).standard_normal((40, 9)),
    )
    y = multiplied(products, x, w)
    wide = np.random.default_rng(2).standard_normal((40, 30))
    wide[:, 4:13] = w
    assert_same_bits(multiplied(products, np.asfortranarray(x), w), y)
    assert_same_bits(multiplied(products, x, wide[:, 4:13]), y)
    assert len(products._ways) == 1
    assert multiplied(products, x[:0], w).shape == (0, 9)
    assert (multiplied(products, x[:, :0], w[:0]) == 0).all()
