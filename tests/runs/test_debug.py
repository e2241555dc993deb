"""What `dtrain debug` finds in a layer that breaks its contract."""

from __future__ import annotations

import pytest

CROOKED = """
    from dtrain import Layer, hookimpl

    class Crooked(Layer):
        def __init__(self, forward: str = "", backward: str = ""):
            self.how = {"forward": forward, "backward": backward}

        def bent(self, array, phase, context):
            if not context.training or not len(array):
                return array.copy()
            return {"": array, "rows": array[:-1], "columns": array[:, :-1]}[self.how[phase]].copy()

        def forward(self, x, context):
            return self.bent(x, "forward", context), lambda dy: self.bent(dy, "backward", context)

    @hookimpl
    def dtrain_layers():
        return {"crooked": Crooked}
"""
WRONG = {
    "rows of y": ({"forward": "rows"}, "forward: its output y must be of shape (8, 5), got (7, 5)"),
    "columns of y": ({"forward": "columns"}, "forward: its output y must be of shape (8, 5), got (8, 4)"),
    "rows of dx": ({"backward": "rows"}, "backward: its gradient dx must be of shape (8, 5), got (7, 5)"),
    "columns of dx": (
        {"backward": "columns"},
        "backward: its gradient dx must be of shape (8, 5), got (8, 4)",
    ),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_shape_is_told_with_its_layer(options, message, acme, write, dtrain, elsewhere):
    acme(CROOKED)
    crooked = {"name": "crooked", **options}
    path = write({"network": [{"name": "dense", "units": 5}, crooked, {"name": "dense", "units": 3}]})
    ended = dtrain("debug", path, "-n", "2", "--out", "out")
    assert ended.code == 1
    assert f"TypeError: layer 'crooked_1', {message} (in the " in ended.err.splitlines()[-1]
    assert not (elsewhere / "out").exists()


def test_a_sound_layer_passes(acme, write, dtrain):
    acme(CROOKED)
    path = write(
        {"network": [{"name": "dense", "units": 5}, {"name": "crooked"}, {"name": "dense", "units": 3}]}
    )
    assert dtrain("debug", path, "-n", "3", "--out", "out").code == 0
