from __future__ import annotations

import pytest
from hypothesis import strategies as st

from dtrain import DataError


@pytest.fixture(scope="session")
def damaged():
    """A function (content, data) → content with bytes flipped, then cut off or followed by others."""

    def damage(content: bytes, data: st.DataObject) -> bytes:
        wrong = bytearray(content)
        # Most of what matters stands near the beginning or, in an archive, near the end.
        near = st.integers(0, min(200, len(wrong) - 1))
        place = near | near.map(lambda i: len(wrong) - 1 - i) | st.integers(0, len(wrong) - 1)
        for at, byte in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=6)):
            wrong[at] = byte
        end = data.draw(st.just(len(wrong)) | st.integers(0, len(wrong)))
        return bytes(wrong[:end]) + data.draw(st.just(b"") | st.binary(max_size=20))

    return damage


@pytest.fixture(scope="session")
def read_or_one_line():
    """A function (read, path): read() succeeds, or raises a DataError of one line that begins with path."""

    def check(read, path):
        try:
            read()
        except DataError as error:
            message = str(error)
        else:
            return
        assert message.startswith(str(path))
        assert "\n" not in message

    return check
