"""Processor, BLAS and NumPy's vector instructions: what the bits of a product depend on."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..finding import Finding, ok, skip, warn
from ..wording import grouped
from ..world import Facts, World

_CPU_INFO = Path("/proc/cpuinfo")


def look(_: Facts) -> Facts:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.zeros(1) @ np.zeros(1)  # loads the BLAS
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    blas = [f"{p['internal_api']} {p['version']} ({p.get('architecture', 'unknown')} kernels)" for p in pools]
    return {"model": _model(), "blas": ", ".join(blas) or "unknown", "simd": _simd(np)}


def _model() -> str:
    with suppress(OSError, StopIteration):
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return platform.machine()


def _simd(np: object) -> str:
    """The vector instructions that NumPy has found, which choose its own loops."""
    with suppress(Exception):  # another NumPy may tell it otherwise
        return " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))  # type: ignore[attr-defined]
    return ""


def judge(world: World) -> Iterator[Finding]:
    for host, why in world.deaf("processors"):
        yield skip(f"{host.name}: {why}")
    hosts = {host.name: found for host, found in world.answering("processors")}
    if not hosts:
        return
    blas = {name: found["blas"] for name, found in hosts.items()}
    if len({*blas.values()}) > 1:
        yield warn(
            f"BLAS differs, so the weights will be equal up to rounding, not to the bit: {grouped(blas)}",
            *_ALIKE,
        )
    elif len({found["simd"] for found in hosts.values()}) > 1:
        models = grouped({name: found["model"] for name, found in hosts.items()})
        yield warn(f"the hosts have other vector instructions, and so may have other bits: {models}", *_ALIKE)
    else:
        models = grouped({name: found["model"] for name, found in hosts.items()})
        one = next(iter(hosts.values()))
        model = one["model"] if len({f["model"] for f in hosts.values()}) == 1 else models
        yield ok(f"{model}, {one['blas']}")


_ALIKE = (
    "for equal bits, take hosts with one type of processor, and one NumPy",
    "between types of x86-64, close: export OPENBLAS_CORETYPE=Haswell, on all hosts (slower, and not promised)",
)
