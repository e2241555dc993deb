from __future__ import annotations

import pytest

from dtrain.registry import Registry, blaming

SOURCE = """
    from dtrain import Dataset, Layer, Optimizer, Regularizer, hookimpl

    class Boom(Layer):
        def forward(self, x, context):
            def backward(dy):
                raise ValueError("in backward")
            return x, backward

    class Lambda(Regularizer):
        def penalty(self, value):
            return (lambda: 1 / 0)()

    class Rows:
        def rows(self, indices):
            return {}["x"]

    class Mine(Dataset):
        def __init__(self):
            self.train = Rows()

    class Made(Optimizer):
        def update(self, value, gradient, context):
            helper(value)

    def helper(value):
        raise RuntimeError("helped")

    def make() -> Optimizer:
        return Made()

    @hookimpl
    def dtrain_layers():
        return {"boom": Boom}

    @hookimpl
    def dtrain_regularizers():
        return {"lambda": Lambda}

    @hookimpl
    def dtrain_datasets():
        return {"mine": Mine}

    @hookimpl
    def dtrain_optimizers():
        return {"made": make}
"""
ACME = "plugin 'acme' 1.2 (distribution acme-dtrain)"


@pytest.fixture
def registry(site):
    site.install("acme-dtrain", "1.2", {"acme": "acme_plugin"}, acme_plugin=SOURCE)
    return Registry.load()


def notes_of(registry, call):
    with pytest.raises(Exception) as caught, blaming(registry):  # noqa: PT011
        call()
    return getattr(caught.value, "__notes__", [])


def test_an_error_names_the_method_and_the_part(registry):
    part = registry.bind("regularizers", "lambda", {}, "here").build()
    assert notes_of(registry, lambda: part.penalty(0)) == [f"in penalty of regularizer 'lambda' from {ACME}"]


def test_a_backward_that_never_names_self_is_known_by_where_it_was_written(registry):
    _, backward = registry.bind("layers", "boom", {}, "here").build().forward(0, None)
    assert notes_of(registry, lambda: backward(0)) == [f"in backward of layer 'boom' from {ACME}"]


def test_what_a_part_calls_is_named_by_its_plugin(registry):
    rows = registry.bind("datasets", "mine", {}, "here").build().train
    assert notes_of(registry, lambda: rows.rows([0])) == [f"in rows of {ACME}"]


def test_a_part_that_a_function_made_is_known_by_its_class(registry):
    part = registry.bind("optimizers", "made", {}, "here").build()
    assert notes_of(registry, lambda: part.update(0, 0, None)) == [
        f"in update of optimizer 'made' from {ACME}"
    ]


def test_an_error_that_names_the_part_already_stays_as_it_is(registry):
    part = registry.bind("regularizers", "lambda", {}, "here").build()

    def noted():
        try:
            part.penalty(0)
        except ZeroDivisionError as error:
            error.add_note(f"while testing regularizer 'lambda' from {ACME}")
            raise

    assert notes_of(registry, noted) == [f"while testing regularizer 'lambda' from {ACME}"]


def test_an_error_of_nobodys_part_gets_no_note(registry):
    assert notes_of(registry, lambda: 1 / 0) == []


def test_the_traceback_is_that_of_the_error(registry):
    part = registry.bind("regularizers", "lambda", {}, "here").build()
    with pytest.raises(ZeroDivisionError) as caught, blaming(registry):
        part.penalty(0)
    assert [entry.name for entry in caught.traceback][-2:] == ["penalty", "<lambda>"]
