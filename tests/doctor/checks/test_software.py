"""What has to be the same on all hosts, and processors, which decide about bits."""

from __future__ import annotations

import pytest

from tests.doctor.support import bad, healthy, judged

PIP = "ssh node1 '/env/bin/python -m pip install"


@pytest.mark.parametrize(
    ("key", "value", "text", "remedy"),
    [
        ("python", "3.12", "Python differs: 3.11.7 on node0; 3.12 on node1", "install the same Python at"),
        (
            "executable",
            "/bin/py",
            "the path of Python differs: /env/bin/python on node0; /bin/py on node1",
            "install",
        ),
        ("numpy", "2.1.0", "NumPy differs: 2.4.6 on node0; 2.1.0 on node1", f"{PIP} numpy==2.4.6'"),
        ("mpi4py", "4.1.0", "mpi4py differs: 4.1.2 on node0; 4.1.0 on node1", f"{PIP} mpi4py==4.1.2'"),
        ("dtrain", "0.2", "dtrain differs: 0.1.0 on node0; 0.2 on node1", f"{PIP} dtrain==0.1.0'"),
        (
            "digest",
            "beef",
            "the source of dtrain differs: cafe on node0; beef on node1",
            "install the very same",
        ),
    ],
)
def test_one_that_differs(key, value, text, remedy):
    world = healthy(2)
    world.hosts[1].facts["software"][key] = value
    (found,) = judged("software", world)
    assert (found.status, found.text) == ("fail", text)
    assert found.remedy[0].startswith(remedy)


def test_another_version_of_a_plugin():
    world = healthy(2)
    world.hosts[1].facts["software"]["parts"]["layers.swish"] = ["acme", "acme-dtrain", "1.0"]
    (found,) = judged("software", world)
    assert (found.status, found.text) == (
        "fail",
        "layers.swish: acme-dtrain 1.2 on node0; acme-dtrain 1.0 on node1",
    )
    assert found.remedy == ("ssh node1 '/env/bin/python -m pip install acme-dtrain==1.2'",)


def test_all_parts_of_a_package_are_one_finding():
    world = healthy(2)
    for name in ("layers.dense", "optimizers.adam"):
        del world.hosts[0].facts["software"]["parts"][name]
    (found,) = judged("software", world)
    assert found.text == "layers.dense and 1 more part: missing on node0; dtrain 0.1.0 on node1"
    assert found.remedy == ("/env/bin/python -m pip install dtrain==0.1.0",)


def test_a_broken_plugin():
    world = healthy(2)
    world.hosts[1].facts["software"] |= {"parts": {}, "why": "plugin 'acme' 1.2 cannot be imported"}
    assert bad("software", world) == [("fail", "node1: plugin 'acme' 1.2 cannot be imported")]


def test_other_kernels_of_blas():
    world = healthy(2)
    world.hosts[1].facts["processors"]["blas"] = "openblas 0.3.31 (Haswell kernels)"
    assert bad("processors", world) == [
        (
            "warn",
            "BLAS differs, so the weights will be equal up to rounding, not to the bit: openblas 0.3.31 (SkylakeX "
            "kernels) on node0; openblas 0.3.31 (Haswell kernels) on node1",
        )
    ]


def test_other_vector_instructions():
    world = healthy(2)
    world.hosts[1].facts["processors"] |= {"model": "EPYC", "simd": "AVX2"}
    assert bad("processors", world) == [
        (
            "warn",
            "the hosts have other vector instructions, and so may have other bits: Xeon on node0; EPYC on node1",
        )
    ]
