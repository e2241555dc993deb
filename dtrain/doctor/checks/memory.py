"""Memory: what is free, against what a config will take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..cgroup import memory_left
from ..finding import Finding, fail, ok, skip, warn
from ..wording import counted, size
from ..world import Facts, HostReport, World

_MEMORY = Path("/proc/meminfo")
_PROCESS = 100_000_000
"""Bytes of a rank before the first array: Python, NumPy, MPI."""
_KEPT = 3
"""Of each layer's output: itself, its gradient, and about as much that the backward pass needs."""
_ROOM = 0.9


def look(_: Facts) -> Facts:
    """Bytes; `left` is until the group's limit, None where there is none."""
    values: dict[str, int] = {}
    with suppress(OSError, ValueError):
        for line in _MEMORY.read_text().splitlines():
            name, value = line.split(":", 1)
            values[name] = 1024 * int(value.split()[0])
    return {"total": values.get("MemTotal", 0), "free": values.get("MemAvailable", 0), "left": memory_left()}


def judge(world: World) -> Iterator[Finding]:
    model = world.model
    if model is not None and "error" in model:
        yield fail(
            f"{world.config} cannot be built: {model['error']}",
            f"dtrain train {world.config}   # says the same",
        )
        model = None
    elif world.config is not None and model is None:
        yield skip(f"{world.config} was not built in time; what it takes is not known")
    for host, found in world.seated("memory"):
        yield _host(world, host, found, model)


def _host(world: World, host: HostReport, found: Facts, model: Facts | None) -> Finding:
    free, whose = found["free"], f"of {size(found['total'])} free"
    if found["left"] is not None and found["left"] < free:
        free, whose = found["left"], "left to this container or job"
    text = f"{host.name}: {size(free)} {whose}"
    if model is None:
        return ok(text)
    need = needed(model, host.ranks, world.ranks, len(world.hosts) == 1)
    what, on = counted(model["parameters"], "parameter"), counted(host.ranks, "rank")
    of = f"{world.config} ({what}) takes about {size(need)} for {on}"
    remedies = (
        "a smaller batch, or micro-batches: --set train.accumulate=4",
        "more hosts, fewer ranks on each: --hosts a:1,b:1",
    )
    if need > free:
        return fail(f"{text}, and {of}", *remedies)
    if need > _ROOM * free:
        return warn(f"{text}, and {of}: that is tight", *remedies)
    return ok(f"{text}; {of}")


def needed(model: Facts, ranks: int, all_ranks: int, shared: bool) -> int:
    """Bytes that the ranks of one host take, about.

    model: `bytes` of the parameters, `slots` of the optimizer, `nodes`: of the shard tree that a rank keeps
    gradients for, `outputs`: bytes of all layers' outputs for one row, `rows`: of a micro-batch of the whole job.
    shared: whether the ranks hold parameters in common. Checkpoints keep a copy of parameters and slots.
    """
    flat = model["bytes"]
    values = flat if shared else ranks * flat
    gradients = ranks * model["nodes"] * flat
    slots = model["slots"] * flat * (ranks / all_ranks)
    copy = (1 + model["slots"]) * flat
    rows = -(-model["rows"] * ranks // all_ranks)
    return int(values + gradients + slots + copy + _KEPT * rows * model["outputs"] + ranks * _PROCESS)
