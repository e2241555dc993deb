# ruff: noqa: E501 (each message stands in full on one line)
"""The tables of scikit-learn, against scikit-learn's own readers."""

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
from dtrain_plugins.datasets import dtrain_datasets
from dtrain_plugins.datasets.breast_cancer import BreastCancer
from dtrain_plugins.datasets.diabetes import Diabetes
from dtrain_plugins.datasets.iris import Iris
from dtrain_plugins.datasets.linnerud import Linnerud

TABLES = {"breast_cancer": BreastCancer, "diabetes": Diabetes, "iris": Iris, "linnerud": Linnerud}


def of(dataset):
    return dataset.train.rows(np.arange(len(dataset.train)))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """(x, y) of each table; scikit-learn is imported in a process of its own, here it must stay out."""
    path = tmp_path_factory.mktemp("sklearn") / "tables.npz"
    program = (
        "import sys, numpy as np, sklearn.datasets as d\n"
        "of = {'diabetes': d.load_diabetes(scaled=False), 'iris': d.load_iris(), 'breast_cancer': d.load_breast_cancer(), 'linnerud': d.load_linnerud()}\n"
        "np.savez(sys.argv[1], **{f'{n}/{k}': b[k] for n, b in of.items() for k in ('data', 'target')})\n"
    )
    subprocess.run([sys.executable, "-c", program, path], check=True)
    return np.load(path)


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "iris"])
def test_a_table_is_that_of_scikit_learn(name, theirs):
    x, y = of(TABLES[name](scaled=False))
    assert x.dtype == np.float64
    assert np.array_equal(x, theirs[f"{name}/data"])
    assert np.array_equal(y, theirs[f"{name}/target"])
    assert y.dtype == (np.float64 if name == "diabetes" else np.int64)


@pytest.mark.parametrize(("target", "column"), [("chins", 0), ("situps", 1), ("jumps", 2)])
def test_linnerud_has_the_men_as_samples_and_a_count_as_target(target, column, theirs):
    """scikit-learn has it the other way round: it predicts the men from their exercises."""
    x, y = of(Linnerud(target, scaled=False))
    assert np.array_equal(x, theirs["linnerud/target"])
    assert np.array_equal(y, theirs["linnerud/data"][:, column])
    assert y.dtype == np.int64


@pytest.mark.parametrize("name", TABLES)
def test_scaled_columns_have_mean_0_and_variance_1_in_the_same_order(name):
    (x, y), (raw, plain) = of(TABLES[name]()), of(TABLES[name](scaled=False))
    assert np.abs(x.mean(axis=0)).max() < 1e-12
    assert x.var(axis=0) == pytest.approx(np.ones(x.shape[1]), rel=1e-12)
    assert np.array_equal(y, plain)
    assert [np.corrcoef(a, b)[0, 1] for a, b in zip(x.T, raw.T, strict=True)] == pytest.approx(
        np.ones(x.shape[1]), rel=1e-9
    )


@pytest.mark.parametrize(("species", "number"), [("setosa", 0), ("versicolor", 1), ("virginica", 2)])
def test_one_species_of_iris_stands_against_the_others(species, number):
    assert np.array_equal(of(Iris(positive=species))[1], of(Iris())[1] == number)


def test_no_table_imports_scikit_learn():
    program = f"import sys; from dtrain_plugins import datasets; [datasets.dtrain_datasets()[n]() for n in {list(TABLES)}]; "
    program += "print([name for name in sys.modules if name.startswith(('sklearn', 'scipy'))])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
    )
    assert run.stdout == "[]\n"


@pytest.mark.parametrize("name", [*TABLES, "digits"])
def test_without_the_file_the_error_says_what_to_install(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError) as caught:
        dtrain_datasets()[name]()
    assert str(caught.value) == (
        f"{name}: expected the file that comes with scikit-learn, got no scikit-learn with it; "
        'pip install "dtrain[demo]", or choose another dataset in data.name'
    )


@pytest.mark.parametrize(
    ("name", "file", "content", "reason"),
    [
        ("iris", "iris.csv", b"150,4\n1,2,3,4,0\n", "expected a table of shape (150, 5), got (1, 5); install scikit-learn again"),
        ("iris", "iris.csv", b"", "expected a table of shape (150, 5), got (0,); install scikit-learn again"),
        ("iris", "iris.csv", b"150,4\n1,2,3,x,0\n", "expected the iris of scikit-learn, got damaged data (could not convert string to float: b'x'); write or fetch the file again"),
        ("diabetes", "diabetes_data_raw.csv.gz", gzip.compress(b"1 2\n", mtime=0)[:9], "expected the diabetes of scikit-learn, got damaged data (Compressed file ended before the end-of-stream marker was reached); write or fetch the file again"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(name, file, content, reason, tmp_path, monkeypatch):
    path = tmp_path / "datasets/data" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    spec = ModuleSpec("sklearn", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(DataError) as caught:
        TABLES[name]()
    assert str(caught.value) == f"{path}: {reason}"
