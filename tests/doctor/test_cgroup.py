"""Limits of control groups, in files as the kernel writes them."""

from __future__ import annotations

import pytest

from dtrain.doctor.cgroup import cpu_quota, memory_left


@pytest.fixture
def tree(tmp_path):
    """Writes files of a fake hierarchy and the line by which a process finds its group."""

    def write(own: str, files: dict[str, str]):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        (tmp_path / "own").write_text(own)
        return tmp_path, tmp_path / "own"

    return write


def test_the_tightest_of_all_groups_around(tree):
    where = tree(
        "0::/job/step\n",
        {
            "job/cpu.max": "150000 100000\n",
            "job/step/cpu.max": "max 100000\n",
            "job/memory.max": "1000\n",
            "job/memory.current": "700\n",
            "job/memory.stat": "anon 100\ninactive_file 200\n",
            "job/step/memory.max": "max\n",
            "job/step/memory.current": "1\n",
        },
    )
    assert cpu_quota(*where) == 1.5
    assert memory_left(*where) == 500


def test_within_a_container_the_own_group_is_the_root(tree):
    where = tree("0::/\n", {"cpu.max": "50000 100000\n", "memory.max": "100\n", "memory.current": "400\n"})
    assert cpu_quota(*where) == 0.5
    assert memory_left(*where) == 0


def test_version_1(tree):
    where = tree(
        "3:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n",
        {
            "cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
            "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "memory/memory.limit_in_bytes": "1000\n",
            "memory/memory.usage_in_bytes": "300\n",
        },
    )
    assert cpu_quota(*where) == 2.0
    assert memory_left(*where) == 700


def test_no_limit(tree, tmp_path):
    where = tree(
        "3:memory:/\n2:cpu:/\n",
        {
            "cpu/cpu.cfs_quota_us": "-1\n",
            "cpu/cpu.cfs_period_us": "100000\n",
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/memory.usage_in_bytes": "300\n",
        },
    )
    assert (cpu_quota(*where), memory_left(*where)) == (None, None)
    assert cpu_quota(tmp_path / "none", tmp_path / "none") is None
