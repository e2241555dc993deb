"""A layer learns from a pass over the data only when it says so, and how."""

from __future__ import annotations

import pytest

from dtrain import Layer


class Plain(Layer):
    """Says nothing of its own."""


def test_a_layer_is_not_fitted_unless_it_says_when_and_how():
    assert Plain().fits == ""
    with pytest.raises(NotImplementedError, match=r"^Plain has no fit$"):
        Plain().fit([], None)
