"""Samples that another rank would not have."""

from __future__ import annotations

import os
import time

import numpy as np

from dtrain import ArrayRows, Dataset, Schema

from .table import broken


@broken("datasets", "same_content")
class OwnRows(Dataset):
    """Each rank keeps a part for itself, before it is asked."""

    def __init__(self) -> None:
        rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", "0"))
        self.train = ArrayRows(np.arange(20.0)[:, None] + rank)


@broken("datasets", "same_content")
class ByTheClock(Dataset):
    def __init__(self) -> None:
        self.train = ArrayRows(np.arange(20.0)[:, None] + int(time.time()) // 60)


@broken("datasets", "same_content")
class AsListed(Dataset):
    """The order of a folder's files is that of its disk."""

    def __init__(self) -> None:
        names = os.listdir(os.path.dirname(__file__))
        self.train = ArrayRows(np.array([[float(len(name))] for name in names]))


@broken("datasets", "same_content")
class ClassesOfASet(Dataset):
    """The order of a set of words is another in every process."""

    def __init__(self) -> None:
        labels = ["cat", "dog", "fox", "cat"]
        classes = list(set(labels))
        self.train = ArrayRows(np.ones((4, 2)), np.array([classes.index(label) for label in labels]))


@broken("datasets", "same_content")
class NamesOfASet(Dataset):
    """The same numbers, which mean other classes."""

    def __init__(self) -> None:
        self.train = ArrayRows(np.ones((4, 2)), np.arange(4) % 3)
        labels = ["cat", "dog", "fox", "cat"]
        self.schema = Schema(classes=tuple(set(labels)))
