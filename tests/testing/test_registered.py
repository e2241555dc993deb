"""Every registered part, built-in or a third party's, passes every check: one table, no list of names."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from dtrain.contracts import KINDS
from dtrain.testing import IDS, checks, run
from tests.plugins.support import registry

REGISTRY = registry()
TABLE = [(entry.kind, entry.name) for entry in REGISTRY.table()]


@pytest.mark.parametrize(("kind", "name"), TABLE, ids=[f"{kind}.{name}" for kind, name in TABLE])
def test_a_built_in_part_passes_every_check(kind, name):
    outcomes = list(run([(kind, name)], registry=REGISTRY))
    good = ("passed", "expected", "skipped") if kind == "datasets" else ("passed", "expected")
    assert not [f"{o.status}: {o.message}" for o in outcomes if o.status not in good]
    assert outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_a_third_party_s_parts_pass_every_check(acme, kind):
    parts = [(e.kind, e.name) for e in acme.table() if e.plugin == "acme" and e.kind == kind]
    assert parts
    found = {o.message for o in run(parts, registry=acme) if o.status not in ("passed", "expected", "advice")}
    assert found == set()


def test_each_check_applies_to_some_part():
    met = {
        o.split("[")[0] for kind, name in TABLE for o, _ in checks(kind, name, registry=REGISTRY, advice=True)
    }
    assert met == set(IDS)


X = np.linspace(-1, 1, 28).reshape(7, 4)


def csv(folder):
    (folder / "t.csv").write_text("\n".join(["a,b,c,d", *(",".join(map(str, row)) for row in X)]))
    return {"path": str(folder / "t.csv"), "target": "d"}


def npz(folder):
    np.savez(folder / "t.npz", x=X, y=np.arange(7), x_validation=X[:2], y_validation=np.arange(2))
    return {"path": str(folder / "t.npz")}


def npy(folder):
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", np.arange(7))
    return {"x": str(folder / "x.npy"), "y": str(folder / "y.npy")}


def idx(folder):
    for part, count in (("train", 5), ("t10k", 3)):
        images, labels = folder / f"{part}-images-idx3-ubyte.gz", folder / f"{part}-labels-idx1-ubyte.gz"
        images.write_bytes(gzip.compress(struct.pack(">4i", 2051, count, 2, 3) + bytes(range(6 * count))))
        labels.write_bytes(gzip.compress(struct.pack(">2i", 2049, count) + bytes(range(count))))
    return {"path": str(folder)}


FILES = {"csv": csv, "npz": npz, "npy": npy, "idx": idx}


@pytest.mark.parametrize("name", FILES)
def test_a_dataset_of_files_passes_every_check(name, tmp_path):
    for _, check in checks("datasets", name, registry=REGISTRY, **FILES[name](tmp_path)):
        check()


def test_every_dataset_is_checked():
    with_examples = {n for k, n in TABLE if k == "datasets" and REGISTRY.factory(k, n).examples}
    assert {n for k, n in TABLE if k == "datasets"} == with_examples | FILES.keys()
