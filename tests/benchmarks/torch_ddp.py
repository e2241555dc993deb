"""The same training in PyTorch: DDP over gloo, one thread a rank, or one process of several threads.

    RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 python torch_ddp.py small &
    RANK=1 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 python torch_ddp.py small
    python torch_ddp.py small --threads 2        # no RANK: one process, no DDP

Batch norm is plain: each rank's own rows. Loss and hits are totalled as tensors and read once an epoch.
"""

from __future__ import annotations

import argparse
import json
import os
from itertools import pairwise
from time import perf_counter
from typing import Any

import nets
import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def network(net: nets.Net) -> nn.Sequential:
    layers, channels, side = [], 1, net.side
    if net.convolutions:
        layers.append(nn.Unflatten(1, (1, side, side)))
    for filters in net.convolutions:
        layers += [
            nn.Conv2d(channels, filters, 5, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        ]
        channels, side = filters, (side - 4) // 2
    if net.convolutions:
        layers.append(nn.Flatten())
    widths = (channels * side**2 if net.convolutions else net.inputs, *net.hidden)
    for n_in, units in pairwise(widths):
        layers += [nn.Linear(n_in, units, bias=False), nn.BatchNorm1d(units), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], net.classes))


def distributed(model: nn.Module, tuned: bool) -> nn.Module:
    """DDP as it comes, or tuned: no broadcast of running statistics, no copy of gradients, a fixed graph."""
    if not tuned:
        return DistributedDataParallel(model)
    return DistributedDataParallel(
        model, forward_sync_buffers=False, gradient_as_bucket_view=True, static_graph=True
    )


def run(net: nets.Net, rank: int, size: int, tuned: bool) -> dict[str, Any]:
    """Train; the median time of a step on this rank, and this rank's last epoch's loss and accuracy."""
    torch.manual_seed(0)
    model, rows = network(net), net.batch // size
    if size > 1:
        model = distributed(model, tuned)
    optimizer = torch.optim.Adam(model.parameters(), lr=nets.LEARNING_RATE, fused=True)
    criterion = nn.CrossEntropyLoss()
    x, target = map(torch.from_numpy, nets.data(net))
    seconds = []
    model.train()
    for epoch in range(net.epochs):
        order = torch.from_numpy(nets.order(net, epoch))
        loss_sum, hits = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        if size > 1:
            torch.distributed.barrier()
        for start in range(rank * rows, len(order), net.batch):
            begin = perf_counter()
            index = order[start : start + rows]
            batch, labels = x[index], target[index]
            optimizer.zero_grad(set_to_none=True)
            y = model(batch)
            loss = criterion(y, labels)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                loss_sum += loss.detach()
                hits += (y.argmax(dim=1) == labels).sum()
            seconds.append(perf_counter() - begin)
    samples = len(order) // size
    return {
        "version": f"torch {torch.__version__}",
        "step_seconds": float(np.median(seconds)),
        "loss": loss_sum.item() / net.batches,
        "accuracy": hits.item() / samples,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", choices=nets.NETS)
    parser.add_argument("--threads", type=int, default=1, help="of this process (default 1)")
    parser.add_argument("--tuned", action="store_true", help="DDP's faster settings instead of its defaults")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if size > 1:
        torch.distributed.init_process_group("gloo")
    result = run(nets.NETS[arguments.net], rank, size, arguments.tuned)
    if rank == 0:
        print(json.dumps(result))
    if size > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
