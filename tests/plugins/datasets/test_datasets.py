from __future__ import annotations

from dtrain import Dataset
from dtrain_plugins.datasets import dtrain_datasets


def test_the_datasets_of_the_first_hour_are_there():
    assert set(dtrain_datasets()) >= {"csv", "digits", "idx", "npy", "npz"}
    assert all(issubclass(part, Dataset) for part in dtrain_datasets().values())


def test_the_hook_asks_to_be_called_last_so_that_others_replace_it():
    assert dtrain_datasets.dtrain_impl["trylast"] is True
