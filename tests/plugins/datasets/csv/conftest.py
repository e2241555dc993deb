from __future__ import annotations

import pytest

from dtrain_plugins.datasets.csv import Csv


@pytest.fixture
def read(tmp_path):
    """Writes text (or bytes) to a file and reads it as a dataset."""

    def read(content, target=-1, name="a.csv", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        data = Csv(path, target, **options)
        assert data.train
        return data

    return read


@pytest.fixture
def refused(read, tmp_path):
    """Returns the whole error for a content, without the path."""
    from dtrain import DataError

    def refused(content, target=-1, name="a.csv", **options):
        with pytest.raises(DataError) as caught:
            read(content, target, name, **options)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path}/{name}: ")
        assert "\n" not in message
        return message.removeprefix(f"{tmp_path}/{name}: ")

    return refused
